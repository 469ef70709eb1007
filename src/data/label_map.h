// Label maps: pictures whose one channel numbers classes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/image.h"

namespace nala::data {

/// What marks a pixel that belongs to no class.
inline constexpr uint8_t kIgnoredLabel = 255;

/// The stored values of a PNG of 1 to 8 bits per pixel, grey or palette (palettes are not looked
/// up, so the value is the index), one channel. Throws ImageError for other formats, colour, alpha
/// and 16 bits, and for all damage. Thread-safe.
Image decode_label_map(std::string_view bytes, const std::string& name);
Image read_label_map(const std::filesystem::path& path);

}  // namespace nala::data
