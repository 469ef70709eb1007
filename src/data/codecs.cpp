#include "data/codecs.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <vector>

#include "data/image_io.h"

namespace nala::data {
namespace {

struct Codecs {
  DecodePicture decode = nullptr;
  std::string problem;
};

// The folders of the program and of the object file this function is in.
std::vector<std::filesystem::path> own_folders() {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    folders.push_back(program.parent_path());
  }
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folders), &info) != 0 &&
      info.dli_fname != nullptr) {
    folders.push_back(std::filesystem::absolute(info.dli_fname, error).parent_path());
  }
  return folders;
}

Codecs load_codecs() {
  Codecs codecs;
  for (const auto& folder : own_folders()) {
    for (const auto& path : {folder / kCodecsFile, folder / ".." / "lib" / kCodecsFile}) {
      std::error_code error;
      if (!std::filesystem::exists(path, error)) {
        continue;
      }
      // Never closed: its threads and static objects live as long as the process.
      void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) {
        codecs.problem = dlerror();
        continue;
      }
      codecs.decode = reinterpret_cast<DecodePicture>(dlsym(library, kCodecsSymbol));
      if (codecs.decode != nullptr) {
        return codecs;
      }
      codecs.problem = path.string() + " lacks " + kCodecsSymbol;
    }
  }
  if (codecs.problem.empty()) {
    codecs.problem = "it is neither beside the program nor in ../lib";
  }
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
