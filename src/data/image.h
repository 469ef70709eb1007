// A decoded picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nala::data {

/// 8-bit pixels, row-major, channels interleaved (R, G, B). Decoding always gives three channels;
/// one channel (grey) exists for writing only.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;  ///< height * width * channels bytes

  Image() = default;
  Image(int64_t w, int64_t h, int64_t c = 3)
      : width(w), height(h), channels(c), pixels(static_cast<size_t>(w * h * c)) {}

  [[nodiscard]] const uint8_t* row(int64_t y) const { return pixels.data() + y * width * channels; }
  [[nodiscard]] uint8_t* row(int64_t y) { return pixels.data() + y * width * channels; }
  bool operator==(const Image&) const = default;
};

/// A rectangle of pixels inside a picture.
struct Window {
  int64_t left = 0;
  int64_t top = 0;
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const Window&) const = default;
};

}  // namespace nala::data
