#include "data/transforms/enhance.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "data/transforms/vectorised.h"

// This file is compiled without contraction of a * b + c (see CMakeLists.txt): Pillow rounds the
// product first.

namespace nala::data {
namespace {

// Truncation is what clipping to [0, 255] needs anyway, and changes nothing for factors in [0, 1].
inline uint8_t blend(int degenerate, int value, float factor) {
  const float blended =
      static_cast<float>(degenerate) + factor * static_cast<float>(value - degenerate);
  return static_cast<uint8_t>(std::min(std::max(blended, 0.0F), 255.0F));
}

// The degenerate picture has one value everywhere.
void blend_with_constant(Image& image, int degenerate, double factor) {
  std::array<uint8_t, 256> table{};
  for (int value = 0; value < 256; ++value) {
    table[static_cast<size_t>(value)] = blend(degenerate, value, static_cast<float>(factor));
  }
  for (uint8_t& value : image.pixels) {
    value = table[value];
  }
}

NALA_VECTORISED void saturate(uint8_t* pixels, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i, pixels += 3) {
    const int grey = luminance(pixels);
    pixels[0] = blend(grey, pixels[0], factor);
    pixels[1] = blend(grey, pixels[1], factor);
    pixels[2] = blend(grey, pixels[2], factor);
  }
}

// One row without its first and last pixel; `sums` holds the sum of the row above, the row itself
// and the row below, per value. Float32 sums of Pillow never come near a whole number: S / 13 + 1/2
// is at least 1/26 away from one, so that whole numbers give the same.
NALA_VECTORISED void sharpen_row(
    const uint8_t* row, const uint16_t* sums, int64_t values, float factor, uint8_t* out) {
  for (int64_t i = 3; i < values - 3; ++i) {
    const int sum = sums[i - 3] + sums[i] + sums[i + 3] + 4 * row[i];
    const int smooth = (2 * sum + 13) / 26;
    out[i] = blend(smooth, row[i], factor);
  }
}

// ---- Hue: Pillow's conversions, float32 where Pillow has float32.

struct Hsv {
  uint8_t h = 0, s = 0, v = 0;
};

uint8_t scaled(double unit) {
  return static_cast<uint8_t>(std::clamp(static_cast<int>(unit * 255.0), 0, 255));
}

Hsv to_hsv(const uint8_t* pixel) {
  const int r = pixel[0];
  const int g = pixel[1];
  const int b = pixel[2];
  const int high = std::max({r, g, b});
  const int low = std::min({r, g, b});
  Hsv out{0, 0, static_cast<uint8_t>(high)};
  if (low == high) {
    return out;
  }
  const auto range = static_cast<float>(high - low);
  const auto distance = [&](int value) { return static_cast<float>(high - value) / range; };
  const float rc = distance(r);
  const float gc = distance(g);
  const float bc = distance(b);
  float h = 0;
  if (r == high) {
    h = bc - gc;
  } else if (g == high) {
    h = static_cast<float>(2.0 + rc - bc);
  } else {
    h = static_cast<float>(4.0 + gc - rc);
  }
  h = static_cast<float>(std::fmod(h / 6.0 + 1.0, 1.0));
  out.h = scaled(h);
  out.s = scaled(range / static_cast<float>(high));
  return out;
}

uint8_t rounded(double value) {
  return static_cast<uint8_t>(std::clamp(static_cast<int>(std::round(value)), 0, 255));
}

void to_rgb(const Hsv& hsv, uint8_t* pixel) {
  const uint8_t v = hsv.v;
  if (hsv.s == 0) {
    std::fill_n(pixel, 3, v);
    return;
  }
  const double sixths = static_cast<float>(hsv.h) * 6.0 / 255.0;
  const int sector = static_cast<int>(std::floor(sixths));
  const auto f = static_cast<float>(sixths - static_cast<float>(sector));
  const auto s = static_cast<float>(static_cast<float>(hsv.s) / 255.0);
  const uint8_t p = rounded(v * (1.0 - s));
  const uint8_t q = rounded(v * (1.0 - s * f));
  const uint8_t t = rounded(v * (1.0 - s * (1.0 - f)));
  const std::array<std::array<uint8_t, 3>, 6> sectors{
      {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}};
  std::copy_n(sectors[static_cast<size_t>(sector % 6)].data(), 3, pixel);
}

}  // namespace

void adjust_brightness(Image& image, double factor) {
  blend_with_constant(image, 0, factor);
}

void adjust_contrast(Image& image, double factor) {
  int64_t sum = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    sum += luminance(&image.pixels[i]);
  }
  const double mean = static_cast<double>(sum) / static_cast<double>(image.width * image.height);
  blend_with_constant(image, static_cast<int>(mean + 0.5), factor);
}

void adjust_saturation(Image& image, double factor) {
  saturate(image.pixels.data(), image.width * image.height, static_cast<float>(factor));
}

void adjust_sharpness(Image& image, double factor) {
  if (image.width < 3 || image.height < 3) {
    return;
  }
  const Image before = image;
  const int64_t values = 3 * image.width;
  std::vector<uint16_t> sums(static_cast<size_t>(values));
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    const uint8_t* above = before.row(y - 1);
    const uint8_t* row = before.row(y);
    const uint8_t* below = before.row(y + 1);
    for (int64_t i = 0; i < values; ++i) {
      sums[static_cast<size_t>(i)] = static_cast<uint16_t>(above[i] + row[i] + below[i]);
    }
    sharpen_row(row, sums.data(), values, static_cast<float>(factor), image.row(y));
  }
}

void adjust_hue(Image& image, double turn) {
  const auto shift = static_cast<uint8_t>(static_cast<int>(turn * 255.0));
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    Hsv hsv = to_hsv(&image.pixels[i]);
    hsv.h = static_cast<uint8_t>(hsv.h + shift);
    to_rgb(hsv, &image.pixels[i]);
  }
}

}  // namespace nala::data
