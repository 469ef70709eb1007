#include "data/transforms/gaussian_blur.h"

#include <algorithm>
#include <cmath>

namespace nala::data {
namespace {

constexpr int kPasses = 3;
constexpr float kOne = 1 << 24;

// A box of 2 radius + 1 values of weight `inner`, with one of weight `outer` at each end.
struct Box {
  int64_t radius = 0;
  uint32_t inner = 0;
  uint32_t outer = 0;
};

// The box whose repetition has the standard deviation `deviation`; float32 where Pillow has it.
Box box_of(double deviation) {
  const auto radius = static_cast<float>(deviation);
  const float variance = radius * radius / kPasses;
  const auto length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const auto whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  const float extent = whole + part;
  Box box{.radius = static_cast<int64_t>(extent)};
  box.inner = static_cast<uint32_t>(kOne / (extent * 2 + 1));
  box.outer = ((1U << 24) - static_cast<uint32_t>(box.radius * 2 + 1) * box.inner) / 2;
  return box;
}

// One pass over a line of `count` values that lie `step` bytes apart.
void blur_line(const Box& box, int64_t count, int64_t step, std::vector<uint8_t>& in, uint8_t* at) {
  // The line with its ends continued: value x is in[x + margin].
  const int64_t margin = box.radius + 1;
  for (int64_t x = -margin; x < count + margin; ++x) {
    in[static_cast<size_t>(x + margin)] = at[std::clamp<int64_t>(x, 0, count - 1) * step];
  }
  uint32_t sum = 0;  // of the inner values around x
  for (int64_t i = 1; i <= 2 * box.radius; ++i) {
    sum += in[static_cast<size_t>(i)];
  }
  for (int64_t x = 0; x < count; ++x) {
    const uint8_t first = in[static_cast<size_t>(x)];
    const uint8_t last = in[static_cast<size_t>(x + 2 * margin)];
    sum += in[static_cast<size_t>(x + 2 * margin - 1)];
    const uint32_t total = sum * box.inner + static_cast<uint32_t>(first + last) * box.outer;
    at[x * step] = static_cast<uint8_t>((total + (1U << 23)) >> 24);
    sum -= in[static_cast<size_t>(x + 1)];
  }
}

}  // namespace

Image gaussian_blur(const Image& image, double radius) {
  Image out = image;
  if (radius == 0.0) {
    return out;
  }
  const Box box = box_of(radius);
  const int64_t stride = image.width * image.channels;
  std::vector<uint8_t> line(
      static_cast<size_t>(std::max(image.width, image.height) + 2 * box.radius + 2));
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t c = 0; c < image.channels; ++c) {
      for (int pass = 0; pass < kPasses; ++pass) {
        blur_line(box, image.width, image.channels, line, out.row(y) + c);
      }
    }
  }
  for (int64_t i = 0; i < stride; ++i) {
    for (int pass = 0; pass < kPasses; ++pass) {
      blur_line(box, image.height, stride, line, out.pixels.data() + i);
    }
  }
  return out;
}

}  // namespace nala::data
