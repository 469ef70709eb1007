#include "data/transforms/photometric.h"

#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>

#include "data/transforms/opencv_view.h"

namespace nala::data {
namespace {

constexpr double kBrightness = 32;
constexpr double kLowestFactor = 0.5;
constexpr double kHighestFactor = 1.5;
constexpr int64_t kHue = 18;
constexpr int64_t kHueCircle = 180;

using Table = std::array<uint8_t, 256>;

// x * factor + offset in float32, cut to 0 ... 255, fraction dropped.
Table linear_table(double factor, double offset) {
  Table table{};
  for (int value = 0; value < 256; ++value) {
    const float changed =
        static_cast<float>(value) * static_cast<float>(factor) + static_cast<float>(offset);
    table[static_cast<size_t>(value)] = static_cast<uint8_t>(std::clamp(changed, 0.0F, 255.0F));
  }
  return table;
}

Table hue_table(int64_t shift) {
  Table table{};
  for (int64_t value = 0; value < 256; ++value) {
    table[static_cast<size_t>(value)] =
        static_cast<uint8_t>((value + shift + kHueCircle) % kHueCircle);
  }
  return table;
}

void look_up(const Table& table, Image& image) {
  for (uint8_t& value : image.pixels) {
    value = table[value];
  }
}

// `table` for one channel of HSV.
void change_hsv(Image& image, size_t channel, const Table& table) {
  Image hsv(image.width, image.height);
  cv::Mat rgb_view = view_of(image);
  cv::Mat hsv_view = view_of(hsv);
  cv::cvtColor(rgb_view, hsv_view, cv::COLOR_RGB2HSV);
  for (size_t i = channel; i < hsv.pixels.size(); i += 3) {
    hsv.pixels[i] = table[hsv.pixels[i]];
  }
  cv::cvtColor(hsv_view, rgb_view, cv::COLOR_HSV2RGB);
}

}  // namespace

Photometric draw_photometric(Rng& rng) {
  Photometric change;
  const auto factor = [&]() -> std::optional<double> {
    return rng.chance(0.5) ? std::optional(rng.uniform(kLowestFactor, kHighestFactor))
                           : std::nullopt;
  };
  if (rng.chance(0.5)) {
    change.brightness = rng.uniform(-kBrightness, kBrightness);
  }
  change.contrast_first = rng.chance(0.5);
  change.contrast = factor();
  change.saturation = factor();
  if (rng.chance(0.5)) {
    change.hue = rng.integer(2 * kHue) - kHue;
  }
  return change;
}

void apply_photometric(const Photometric& change, Image& image) {
  if (change.brightness) {
    look_up(linear_table(1, *change.brightness), image);
  }
  if (change.contrast && change.contrast_first) {
    look_up(linear_table(*change.contrast, 0), image);
  }
  if (change.saturation) {
    change_hsv(image, 1, linear_table(*change.saturation, 0));
  }
  if (change.hue) {
    change_hsv(image, 0, hue_table(*change.hue));
  }
  if (change.contrast && !change.contrast_first) {
    look_up(linear_table(*change.contrast, 0), image);
  }
}

}  // namespace nala::data
