#include "data/transforms/crop.h"

#include <algorithm>
#include <cmath>

namespace nala::data {
namespace {

// Python's round(): half to even, the default rounding mode.
int64_t round_half_even(double value) {
  return static_cast<int64_t>(std::nearbyint(value));
}

constexpr int kTries = 10;

}  // namespace

Window random_resized_window(int64_t width, int64_t height, const WindowBounds& bounds, Rng& rng) {
  const auto area = static_cast<double>(width * height);
  for (int i = 0; i < kTries; ++i) {
    const double target = area * rng.uniform(bounds.scale_low, bounds.scale_high);
    const double ratio =
        std::exp(rng.uniform(std::log(bounds.ratio_low), std::log(bounds.ratio_high)));
    const int64_t w = round_half_even(std::sqrt(target * ratio));
    const int64_t h = round_half_even(std::sqrt(target / ratio));
    // A picture of a few pixels can round to nothing, which no resize can use.
    if (w >= 1 && h >= 1 && w <= width && h <= height) {
      const int64_t top = rng.integer(height - h + 1);
      const int64_t left = rng.integer(width - w + 1);
      return {left, top, w, h};
    }
  }
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  int64_t w = width;
  int64_t h = height;
  if (ratio < bounds.ratio_low) {
    h = round_half_even(static_cast<double>(w) / bounds.ratio_low);
  } else if (ratio > bounds.ratio_high) {
    w = round_half_even(static_cast<double>(h) * bounds.ratio_high);
  }
  w = std::clamp<int64_t>(w, 1, width);
  h = std::clamp<int64_t>(h, 1, height);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

Window centre_window(int64_t width, int64_t height, int64_t crop_width, int64_t crop_height) {
  return {round_half_even(static_cast<double>(width - crop_width) / 2.0),
          round_half_even(static_cast<double>(height - crop_height) / 2.0), crop_width,
          crop_height};
}

Image crop(const Image& image, const Window& window) {
  Image out(window.width, window.height, image.channels);
  for (int64_t y = 0; y < window.height; ++y) {
    std::copy_n(image.row(window.top + y) + window.left * image.channels,
                window.width * image.channels, out.row(y));
  }
  return out;
}

Image random_padded_crop(const Image& image, int64_t padding, Rng& rng) {
  const int64_t down = rng.integer(2 * padding + 1) - padding;
  const int64_t right = rng.integer(2 * padding + 1) - padding;
  Image out(image.width, image.height, image.channels);
  const int64_t columns = image.width - std::abs(right);
  if (columns <= 0) {
    return out;
  }
  for (int64_t y = std::max<int64_t>(-down, 0); y < image.height - std::max<int64_t>(down, 0);
       ++y) {
    std::copy_n(image.row(y + down) + std::max<int64_t>(right, 0) * image.channels,
                columns * image.channels,
                out.row(y) + std::max<int64_t>(-right, 0) * image.channels);
  }
  return out;
}

void flip_horizontal(Image& image) {
  const int64_t c = image.channels;
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* left = image.row(y);
    for (uint8_t* right = left + (image.width - 1) * c; left < right; left += c, right -= c) {
      std::swap_ranges(left, left + c, right);
    }
  }
}

}  // namespace nala::data
