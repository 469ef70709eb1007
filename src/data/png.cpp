#include <spng.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "data/formats.h"
#include "data/label_map.h"
#include "data/raw_picture.h"

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

spng_ihdr read_header(const Context& context, std::string_view bytes, const std::string& name) {
  check(spng_set_chunk_limits(context.get(), kChunkLimit, kChunkLimit), name);
  check(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()), name);
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header), name);
  return header;
}

// Throws unless what follows the pixels is whole.
void require_end(const Context& context, std::string_view bytes, const std::string& name) {
  check(spng_decode_chunks(context.get()), name);
  // libspng does not read the checksum of the last chunk.
  if (bytes.rfind("IEND\xAE\x42\x60\x82") == std::string_view::npos) {
    throw ImageError(Fault::truncated, name + ": truncated PNG: no end chunk");
  }
}

void read_pixels(const Context& context,
                 int format,
                 std::string_view bytes,
                 std::vector<uint8_t>& pixels,
                 const std::string& name) {
  check(spng_decode_image(context.get(), pixels.data(), pixels.size(), format, 0), name);
  require_end(context, bytes, name);
}

// Values of `bits` bits (a divisor of 8), the first in the highest bits of a byte.
void unpack_row(const uint8_t* packed, int bits, int64_t count, uint8_t* values) {
  const int per_byte = 8 / bits;
  const int mask = (1 << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    const int shift = 8 - bits * static_cast<int>(i % per_byte + 1);
    values[i] = static_cast<uint8_t>((packed[i / per_byte] >> shift) & mask);
  }
}

}  // namespace

Image decode_png(std::string_view bytes, const std::string& name) {
  const Context context = new_context(name, 0);
  const spng_ihdr header = read_header(context, bytes, name);
  Image image = allocate_image(header.width, header.height, name);
  read_pixels(context, SPNG_FMT_RGB8, bytes, image.pixels, name);
  return image;
}

Image decode_label_map(std::string_view bytes, const std::string& name) {
  if (format_of(bytes) != Format::png) {
    throw ImageError(Fault::unsupported, name + ": not a PNG, which label maps have to be");
  }
  const Context context = new_context(name, 0);
  const spng_ihdr header = read_header(context, bytes, name);
  const bool one_channel = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
                           header.color_type == SPNG_COLOR_TYPE_INDEXED;
  if (!one_channel || header.bit_depth > 8) {
    throw ImageError(Fault::unsupported,
                     name + ": not a label map: expected a grey or palette PNG of at most 8 bits");
  }
  check_size(header.width, header.height, name);
  const size_t row_bytes = (size_t{header.width} * header.bit_depth + 7) / 8;
  std::vector<uint8_t> packed(row_bytes * header.height);
  read_pixels(context, SPNG_FMT_RAW, bytes, packed, name);
  Image labels(header.width, header.height, 1);
  for (int64_t y = 0; y < labels.height; ++y) {
    unpack_row(packed.data() + static_cast<size_t>(y) * row_bytes, header.bit_depth, labels.width,
               labels.row(y));
  }
  return labels;
}

Image read_label_map(const std::filesystem::path& path) {
  return decode_label_map(read_picture_bytes(path), path.string());
}

namespace {

// What a PNG of this header is decoded to.
struct RawForm {
  int format = 0;
  int flags = 0;
  int64_t channels = 0;
  int bits = 8;
};

RawForm raw_form(const spng_ihdr& header, bool transparent_colour) {
  const bool deep = header.bit_depth == 16;
  const int bits = deep ? 16 : 8;
  if (transparent_colour) {
    return {deep ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8, SPNG_DECODE_TRNS, 4, bits};
  }
  switch (header.color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
      return {deep ? SPNG_FMT_PNG : SPNG_FMT_G8, 0, 1, bits};
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
      return {SPNG_FMT_PNG, 0, 2, bits};
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
      return {deep ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8, 0, 4, bits};
    default:
      return {deep ? SPNG_FMT_PNG : SPNG_FMT_RGB8, 0, 3, bits};
  }
}

RawPicture decode_raw_png(std::string_view bytes, const std::string& name) {
  const Context context = new_context(name, 0);
  const spng_ihdr header = read_header(context, bytes, name);
  check_size(header.width, header.height, name);
  spng_trns transparency{};
  const RawForm form = raw_form(header, spng_get_trns(context.get(), &transparency) == 0);
  RawPicture picture{header.width, header.height, form.channels, form.bits, {}};
  const auto count = static_cast<size_t>(picture.width * picture.height * picture.channels);
  picture.values.resize(count);
  std::vector<uint8_t> stored(count * static_cast<size_t>(form.bits / 8));
  check(spng_decode_image(context.get(), stored.data(), stored.size(), form.format, form.flags),
        name);
  require_end(context, bytes, name);
  if (form.bits == 16) {
    std::memcpy(picture.values.data(), stored.data(), stored.size());
  } else {
    std::copy(stored.begin(), stored.end(), picture.values.begin());
  }
  return picture;
}

// A PNG of pixels in the host's byte order.
std::string encode(const spng_ihdr& size, const void* pixels, size_t bytes) {
  const std::string name = "PNG to write";
  const Context context = new_context(name, SPNG_CTX_ENCODER);
  check(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1), name);
  spng_ihdr header = size;
  check(spng_set_ihdr(context.get(), &header), name);
  check(spng_encode_image(context.get(), pixels, bytes, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), name);
  size_t length = 0;
  int status = 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(
      spng_get_png_buffer(context.get(), &length, &status), &std::free);
  check(status, name);
  return {static_cast<const char*>(buffer.get()), length};
}

spng_ihdr header_of(int64_t width, int64_t height, int64_t channels, int bits) {
  constexpr std::array<uint8_t, 4> kTypes{
      SPNG_COLOR_TYPE_GRAYSCALE, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, SPNG_COLOR_TYPE_TRUECOLOR,
      SPNG_COLOR_TYPE_TRUECOLOR_ALPHA};
  spng_ihdr header{};
  header.width = static_cast<uint32_t>(width);
  header.height = static_cast<uint32_t>(height);
  header.bit_depth = static_cast<uint8_t>(bits);
  header.color_type = kTypes.at(static_cast<size_t>(channels - 1));
  return header;
}

}  // namespace

RawPicture decode_raw(std::string_view bytes, const std::string& name) {
  if (format_of(bytes) == Format::png) {
    return decode_raw_png(bytes, name);
  }
  const Image image = decode(bytes, name);
  return {image.width, image.height, 3, 8, {image.pixels.begin(), image.pixels.end()}};
}

RawPicture read_raw(const std::filesystem::path& path) {
  return decode_raw(read_picture_bytes(path), path.string());
}

std::string encode_png(const Image& image) {
  return encode(header_of(image.width, image.height, image.channels, 8), image.pixels.data(),
                image.pixels.size());
}

std::string encode_png(const RawPicture& picture) {
  const spng_ihdr header = header_of(picture.width, picture.height, picture.channels, picture.bits);
  if (picture.bits == 16) {
    return encode(header, picture.values.data(), picture.values.size() * sizeof(uint16_t));
  }
  const std::vector<uint8_t> bytes(picture.values.begin(), picture.values.end());
  return encode(header, bytes.data(), bytes.size());
}

}  // namespace nala::data
