// One decoder per format; image_io.h is the face of these.
#pragma once

#include <string>
#include <string_view>

#include "data/image.h"
#include "data/image_io.h"

namespace nala::data {

/// An unfilled RGB picture. Throws ImageError(too_large) before allocating beyond kMaxPixels, and
/// ImageError(corrupt) for sides below 1.
Image allocate_image(int64_t width, int64_t height, const std::string& name);

/// As decode() in image_io.h, of bytes that start as the format does.
Image decode_jpeg(std::string_view bytes, const std::string& name);
Image decode_png(std::string_view bytes, const std::string& name);

/// Size of a BMP, TIFF, WebP or PNM file from its header (allocated, not decoded). Throws
/// ImageError(truncated) when the file is shorter than its header implies: OpenCV would give a
/// picture all the same.
Image allocate_from_header(std::string_view bytes, Format format, const std::string& name);

}  // namespace nala::data
