#include <spng.h>

#include <cstdlib>
#include <memory>

#include "data/formats.h"

namespace nala::data {
namespace {

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

// Ancillary chunks may inflate to this much (bytes), each and together.
constexpr size_t kChunkLimit = size_t{1} << 26;

Context new_context(const std::string& name, int flags) {
  Context context(spng_ctx_new(flags), &spng_ctx_free);
  if (!context) {
    throw ImageError(Fault::unreadable, name + ": cannot start libspng");
  }
  return context;
}

void check(int status, const std::string& name) {
  if (status == 0) {
    return;
  }
  const std::string reason = spng_strerror(status);
  if (status == SPNG_IO_EOF || status == SPNG_EIDAT_TOO_SHORT) {
    throw ImageError(Fault::truncated, name + ": truncated PNG: " + reason);
  }
  throw ImageError(Fault::corrupt, name + ": damaged PNG: " + reason);
}

}  // namespace

Image decode_png(std::string_view bytes, const std::string& name) {
  const Context context = new_context(name, 0);
  check(spng_set_chunk_limits(context.get(), kChunkLimit, kChunkLimit), name);
  check(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()), name);
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header), name);
  Image image = allocate_image(header.width, header.height, name);
  check(
      spng_decode_image(context.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_RGB8, 0),
      name);
  check(spng_decode_chunks(context.get()), name);
  // libspng does not read the checksum of the last chunk.
  if (bytes.rfind("IEND\xAE\x42\x60\x82") == std::string_view::npos) {
    throw ImageError(Fault::truncated, name + ": truncated PNG: no end chunk");
  }
  return image;
}

std::string encode_png(const Image& image) {
  const std::string name = "PNG to write";
  const Context context = new_context(name, SPNG_CTX_ENCODER);
  check(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1), name);
  spng_ihdr header{};
  header.width = static_cast<uint32_t>(image.width);
  header.height = static_cast<uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = static_cast<uint8_t>(image.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE
                                                               : SPNG_COLOR_TYPE_TRUECOLOR);
  check(spng_set_ihdr(context.get(), &header), name);
  check(spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG,
                          SPNG_ENCODE_FINALIZE),
        name);
  size_t size = 0;
  int status = 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(
      spng_get_png_buffer(context.get(), &size, &status), &std::free);
  check(status, name);
  return {static_cast<const char*>(buffer.get()), size};
}

}  // namespace nala::data
