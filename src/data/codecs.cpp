#include "data/codecs.h"

#include <array>

#include "core/own_library.h"
#include "data/image_io.h"

namespace nala::data {
namespace {

struct Codecs {
  std::string problem;
  DecodePicture decode = nullptr;
};

Codecs load_codecs() {
  Codecs codecs;
  codecs.decode = reinterpret_cast<DecodePicture>(
      symbol_of_own_library(kCodecsFile, kCodecsSymbol, codecs.problem));
  return codecs;
}

}  // namespace

void decode_with_codecs(std::string_view bytes, const std::string& name, Image& image) {
  static const Codecs kCodecs = load_codecs();
  if (kCodecs.decode == nullptr) {
    throw ImageError(Fault::unsupported, name + ": only JPEG and PNG can be read without " +
                                             kCodecsFile + ": " + kCodecs.problem);
  }
  std::array<char, 256> message{};
  if (kCodecs.decode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                     image.pixels.data(), image.width, image.height, message.data(),
                     message.size()) != 0) {
    throw ImageError(Fault::corrupt, name + ": cannot be decoded: " + message.data());
  }
}

}  // namespace nala::data
