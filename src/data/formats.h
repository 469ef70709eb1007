// One decoder per format; image_io.h is the face of these.
#pragma once

#include <string>
#include <string_view>

#include "data/image.h"
#include "data/image_io.h"

namespace nala::data {

/// Throws ImageError(too_large) beyond kMaxPixels and kMaxSide, ImageError(corrupt) for sides below
/// 1.
void check_size(int64_t width, int64_t height, const std::string& name);

/// An unfilled RGB picture of a size that passes check_size().
Image allocate_image(int64_t width, int64_t height, const std::string& name);

/// As decode() in image_io.h, of bytes that start as the format does.
Image decode_jpeg(std::string_view bytes, const std::string& name);
Image decode_png(std::string_view bytes, const std::string& name);

/// As decode_part() in image_io.h.
DecodedPart decode_jpeg_part(std::string_view bytes,
                             const std::string& name,
                             const ChoosePart& choose);

/// Size of a BMP, TIFF, WebP or PNM file from its header (allocated, not decoded). Throws
/// ImageError(truncated) when the file is shorter than its header implies: OpenCV would give a
/// picture all the same.
Image allocate_from_header(std::string_view bytes, Format format, const std::string& name);

}  // namespace nala::data
