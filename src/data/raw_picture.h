// Pictures as they are stored, with alpha and 16 bits where they have them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nala::data {

/// Row-major, channels interleaved: grey; grey, alpha; red, green, blue; red, green, blue, alpha.
struct RawPicture {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;  ///< 1 ... 4
  int bits = 8;          ///< of a value: 8 or 16
  std::vector<uint16_t> values;

  [[nodiscard]] bool has_alpha() const { return channels % 2 == 0; }
  [[nodiscard]] int64_t colours() const { return has_alpha() ? channels - 1 : channels; }
  /// Of white.
  [[nodiscard]] int largest() const { return bits == 16 ? 65535 : 255; }
};

/// A PNG with all it holds (palettes are looked up, a transparent colour becomes alpha, fewer than
/// 8 bits are widened); of other formats decode()'s picture (data/image_io.h). Throws ImageError.
/// Thread-safe.
RawPicture decode_raw(std::string_view bytes, const std::string& name);
RawPicture read_raw(const std::filesystem::path& path);

/// PNG of the same channels and bits.
std::string encode_png(const RawPicture& picture);

}  // namespace nala::data
