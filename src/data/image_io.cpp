#include "data/image_io.h"

#include <array>
#include <utility>

#include "core/files.h"
#include "data/codecs.h"
#include "data/formats.h"
#include "data/transforms/crop.h"

namespace nala::data {
namespace {

struct Magic {
  std::string_view start;
  Format format;
};
constexpr std::array<Magic, 5> kMagics{{
    {"\xFF\xD8\xFF", Format::jpeg},
    {"\x89PNG\r\n\x1A\n", Format::png},
    {"BM", Format::bmp},
    {std::string_view("II*\0", 4), Format::tiff},
    {std::string_view("MM\0*", 4), Format::tiff},
}};

}  // namespace

std::string read_picture_bytes(const std::filesystem::path& path) {
  try {
    return read_file(path, kMaxFileBytes);
  } catch (const Error& error) {
    throw ImageError(Fault::unreadable, error.what());
  }
}

bool is_grey_png(std::string_view bytes) {
  constexpr size_t kColorType = 25;  // behind the signature, the chunk's head, the size, the depth
  return format_of(bytes) == Format::png && bytes.size() > kColorType && bytes[kColorType] == 0;
}

std::span<const std::string_view> names_of(Fault) {
  static constexpr std::array<std::string_view, 6> kNames{
      "unreadable", "not_a_picture", "truncated", "corrupt", "too_large", "unsupported"};
  return kNames;
}

std::optional<Format> format_of(std::string_view bytes) {
  for (const Magic& magic : kMagics) {
    if (bytes.starts_with(magic.start)) {
      return magic.format;
    }
  }
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") {
    return Format::webp;
  }
  const bool pnm = bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
                   std::string_view(" \t\r\n").find(bytes[2]) != std::string_view::npos;
  return pnm ? std::optional(Format::pnm) : std::nullopt;
}

void check_size(int64_t width, int64_t height, const std::string& name) {
  if (width < 1 || height < 1) {
    throw ImageError(Fault::corrupt, name + ": its header states a side of length 0");
  }
  if (width > kMaxSide || height > kMaxSide || width > kMaxPixels / height) {
    throw ImageError(Fault::too_large, name + ": " + std::to_string(width) + " x " +
                                           std::to_string(height) + " pixels, at most " +
                                           std::to_string(kMaxPixels) + " and " +
                                           std::to_string(kMaxSide) + " per side are read");
  }
}

Image allocate_image(int64_t width, int64_t height, const std::string& name) {
  check_size(width, height, name);
  return {width, height};
}

Image decode(std::string_view bytes, const std::string& name) {
  if (bytes.empty()) {
    throw ImageError(Fault::not_a_picture, name + ": the file is empty");
  }
  const std::optional<Format> format = format_of(bytes);
  if (!format) {
    throw ImageError(Fault::not_a_picture,
                     name + ": not a picture (none of JPEG, PNG, BMP, TIFF, WebP, PNM)");
  }
  if (*format == Format::jpeg) {
    return decode_jpeg(bytes, name);
  }
  if (*format == Format::png) {
    return decode_png(bytes, name);
  }
  Image image = allocate_from_header(bytes, *format, name);
  decode_with_codecs(bytes, name, image);
  return image;
}

DecodedPart part_of(Image whole, const ChoosePart& choose) {
  const int64_t width = whole.width;
  const int64_t height = whole.height;
  const Window window = choose(width, height).window;
  if (window == Window{0, 0, width, height}) {
    return {std::move(whole), width, height};
  }
  return {crop(whole, window), width, height};
}

DecodedPart decode_part(std::string_view bytes, const std::string& name, const ChoosePart& choose) {
  if (format_of(bytes) == Format::jpeg) {
    return decode_jpeg_part(bytes, name, choose);
  }
  return part_of(decode(bytes, name), choose);
}

Image read_image(const std::filesystem::path& path) {
  return decode(read_picture_bytes(path), path.string());
}

DecodedPart read_part(const std::filesystem::path& path, const ChoosePart& choose) {
  return decode_part(read_picture_bytes(path), path.string(), choose);
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file(path, encode_png(image));
}

}  // namespace nala::data
