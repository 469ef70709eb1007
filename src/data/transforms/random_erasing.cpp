#include "data/transforms/random_erasing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace nala::data {
namespace {

constexpr int kTries = 10;

}  // namespace

std::vector<Window> draw_erased(const ErasingConfig& config,
                                int64_t width,
                                int64_t height,
                                Rng& rng) {
  std::vector<Window> windows;
  if (config.probability <= 0 || !rng.chance(config.probability)) {
    return windows;
  }
  const int64_t count = config.count == 1 ? 1 : 1 + rng.integer(config.count);
  const double share = static_cast<double>(width * height) / static_cast<double>(count);
  const double log_ratio = std::log(config.min_ratio);
  for (int64_t i = 0; i < count; ++i) {
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const double area = rng.uniform(config.area[0], config.area[1]) * share;
      const double ratio = std::exp(rng.uniform(log_ratio, -log_ratio));
      // Half to even, as Python rounds.
      const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(area * ratio)));
      const auto w = static_cast<int64_t>(std::nearbyint(std::sqrt(area / ratio)));
      if (w < width && h < height) {
        const int64_t top = rng.integer(height - h + 1);
        const int64_t left = rng.integer(width - w + 1);
        windows.push_back({left, top, w, h});
        break;
      }
    }
  }
  return windows;
}

void fill_normal(std::span<float> values, Rng& rng) {
  for (size_t i = 0; i < values.size(); i += 2) {
    const uint64_t bits = rng.bits();
    // In (0, 1]: its logarithm is finite.
    const float radial = static_cast<float>((bits >> 40) + 1) * 0x1.0p-24F;
    const float turn = static_cast<float>(bits & 0xFFFFFF) * 0x1.0p-24F;
    const float radius = std::sqrt(-2.0F * std::log(radial));
    const float angle = 2.0F * std::numbers::pi_v<float> * turn;
    values[i] = radius * std::cos(angle);
    if (i + 1 < values.size()) {
      values[i + 1] = radius * std::sin(angle);
    }
  }
}

void erase_randomly(
    const ErasingConfig& config, int64_t width, int64_t height, float* values, Rng& rng) {
  for (const Window& window : draw_erased(config, width, height, rng)) {
    std::array<float, 3> colour{};
    if (config.mode == EraseFill::rand) {
      fill_normal(colour, rng);
    }
    for (int64_t y = window.top; y < window.top + window.height; ++y) {
      float* row = values + (y * width + window.left) * 3;
      if (config.mode == EraseFill::pixel) {
        fill_normal({row, static_cast<size_t>(3 * window.width)}, rng);
        continue;
      }
      for (int64_t x = 0; x < window.width; ++x) {
        std::copy(colour.begin(), colour.end(), row + 3 * x);
      }
    }
  }
}

}  // namespace nala::data
