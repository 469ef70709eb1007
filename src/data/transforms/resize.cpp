#include "data/transforms/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "data/transforms/vectorised.h"

namespace nala::data {
namespace {

constexpr int kPrecisionBits = 22;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);
// Rows that the horizontal pass takes together: pixels of one column become neighbours in memory,
// so that every vector lane works whatever the number of channels.
constexpr int64_t kRows = 16;
constexpr int64_t kLanes = 3 * kRows;

// Which inputs one output reads, counted from Filter::first, and with which weights.
struct Taps {
  int64_t first = 0;
  int64_t count = 0;
  size_t weights = 0;  // where they start in Filter::weights
};

struct Filter {
  int64_t first = 0;             // the first input that some output reads
  int64_t used = 0;              // inputs from there to the last that some output reads
  std::vector<Taps> taps;        // one per output
  std::vector<int32_t> weights;  // fixed point
  [[nodiscard]] int64_t outputs() const { return static_cast<int64_t>(taps.size()); }
};

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) {
    return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  }
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * kA : 0.0;
}

double triangle(double x) {
  return std::max(1.0 - std::abs(x), 0.0);
}

// One direction of a resize: `in` values become `out`, of which [begin, end) are wanted; the values
// at hand begin at `origin`.
struct Axis {
  int64_t in = 0;
  int64_t out = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t origin = 0;  // the first value at hand
  [[nodiscard]] bool unchanged() const { return in == out; }
};

// Source: Pillow's Resample.c. The order of the operations decides the last bit.
Filter make_filter(const Axis& axis, Interpolation interpolation) {
  const bool cubic = interpolation == Interpolation::bicubic;
  const double scale = static_cast<double>(axis.in) / static_cast<double>(axis.out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = (cubic ? 2.0 : 1.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  Filter filter;
  std::vector<double> values;
  for (int64_t i = axis.begin; i < axis.end; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const auto last = std::min(static_cast<int64_t>(centre + support + 0.5), axis.in);
    double sum = 0.0;
    values.clear();
    for (int64_t x = first; x < last; ++x) {
      const double at = (static_cast<double>(x) - centre + 0.5) * inverse;
      values.push_back(cubic ? bicubic(at) : triangle(at));
      sum += values.back();
    }
    filter.taps.push_back({first, last - first, filter.weights.size()});
    for (double value : values) {
      value = (sum != 0.0 ? value / sum : value) * (1 << kPrecisionBits);
      filter.weights.push_back(static_cast<int32_t>(value < 0 ? value - 0.5 : value + 0.5));
    }
  }
  filter.first = filter.taps.front().first;
  filter.used = filter.taps.back().first + filter.taps.back().count - filter.first;
  for (Taps& taps : filter.taps) {
    taps.first -= filter.first;
  }
  return filter;
}

uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// out[j] = sum over k of weights[k] * in[k * stride + j], for `length` neighbouring values j.
// The sum is built up in pieces that stay in registers.
NALA_VECTORISED void weighted_sum(const uint8_t* in,
                                  int64_t stride,
                                  const int32_t* weights,
                                  int64_t count,
                                  int64_t length,
                                  uint8_t* out) {
  int64_t j = 0;
  for (; j + kLanes <= length; j += kLanes) {
    std::array<int32_t, kLanes> sum;  // NOLINT: filled on the next line
    sum.fill(kHalf);
    const uint8_t* row = in + j;
    for (int64_t k = 0; k < count; ++k, row += stride) {
      const int32_t weight = weights[k];
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        sum[lane] += weight * row[lane];
      }
    }
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      out[j + lane] = to_byte(sum[lane]);
    }
  }
  for (; j < length; ++j) {
    int32_t sum = kHalf;
    for (int64_t k = 0; k < count; ++k) {
      sum += weights[k] * in[k * stride + j];
    }
    out[j] = to_byte(sum);
  }
}

// `rows` (at most kRows) rows of 3 * width bytes -> columns of kLanes bytes: (x, channel, row).
void to_columns(const uint8_t* in, int64_t stride, int64_t rows, int64_t width, uint8_t* out) {
  for (int64_t r = 0; r < rows; ++r) {
    const uint8_t* row = in + r * stride;
    for (int64_t i = 0; i < 3 * width; ++i) {
      out[i * kRows + r] = row[i];
    }
  }
}

void from_columns(const uint8_t* in, int64_t rows, int64_t width, uint8_t* out) {
  for (int64_t r = 0; r < rows; ++r) {
    uint8_t* row = out + r * 3 * width;
    for (int64_t i = 0; i < 3 * width; ++i) {
      row[i] = in[i * kRows + r];
    }
  }
}

// Rows of a picture; the window's left edge is applied.
struct View {
  const uint8_t* pixels = nullptr;
  int64_t stride = 0;  // bytes between rows
  int64_t width = 0;
  int64_t height = 0;
};

View part_of(const View& view, const Window& window) {
  return {view.pixels + window.top * view.stride + window.left * 3, view.stride, window.width,
          window.height};
}

View view_of(const Image& image) {
  return {image.pixels.data(), image.width * 3, image.width, image.height};
}

Image copy(const View& view) {
  Image image(view.width, view.height);
  for (int64_t y = 0; y < view.height; ++y) {
    std::copy_n(view.pixels + y * view.stride, view.width * 3, image.row(y));
  }
  return image;
}

// Both passes take a view of the filter's used columns or rows alone.
Image resize_rows(const View& view, const Filter& filter) {
  const int64_t width = filter.outputs();
  Image out(width, view.height);
  std::vector<uint8_t> columns(static_cast<size_t>(view.width * kLanes));
  std::vector<uint8_t> resized(static_cast<size_t>(width * kLanes));
  for (int64_t y = 0; y < view.height; y += kRows) {
    const int64_t rows = std::min(kRows, view.height - y);
    to_columns(view.pixels + y * view.stride, view.stride, rows, view.width, columns.data());
    for (int64_t x = 0; x < width; ++x) {
      const Taps& taps = filter.taps[static_cast<size_t>(x)];
      weighted_sum(columns.data() + taps.first * kLanes, kLanes, &filter.weights[taps.weights],
                   taps.count, kLanes, resized.data() + x * kLanes);
    }
    from_columns(resized.data(), rows, width, out.row(y));
  }
  return out;
}

Image resize_columns(const View& view, const Filter& filter) {
  Image out(view.width, filter.outputs());
  for (int64_t y = 0; y < out.height; ++y) {
    const Taps& taps = filter.taps[static_cast<size_t>(y)];
    weighted_sum(view.pixels + taps.first * view.stride, view.stride, &filter.weights[taps.weights],
                 taps.count, view.width * 3, out.row(y));
  }
  return out;
}

// Pillow 13's rule, which matters because the values between the passes have 8 bits: when the
// height shrinks much more than the width, the vertical pass goes first. Before Pillow 13 the
// horizontal pass always did.
bool vertical_first(const Axis& x, const Axis& y) {
  return y.in - y.out > 2 * std::max<int64_t>(x.in - x.out, 0);
}

// The view begins at the axes' origins.
Image resize_view(const View& view, const Axis& x, const Axis& y, Interpolation interpolation) {
  const auto from = [&](int64_t left, int64_t top, int64_t width, int64_t height) {
    return part_of(view, {left - x.origin, top - y.origin, width, height});
  };
  if (x.unchanged() && y.unchanged()) {
    return copy(from(x.begin, y.begin, x.end - x.begin, y.end - y.begin));
  }
  if (x.unchanged()) {
    const Filter rows = make_filter(y, interpolation);
    return resize_columns(from(x.begin, rows.first, x.end - x.begin, rows.used), rows);
  }
  const Filter columns = make_filter(x, interpolation);
  if (y.unchanged()) {
    return resize_rows(from(columns.first, y.begin, columns.used, y.end - y.begin), columns);
  }
  const Filter rows = make_filter(y, interpolation);
  const View part = from(columns.first, rows.first, columns.used, rows.used);
  if (vertical_first(x, y)) {
    const Image low = resize_columns(part, rows);
    return resize_rows(view_of(low), columns);
  }
  const Image narrow = resize_rows(part, columns);
  return resize_columns(view_of(narrow), rows);
}

Axis across(const PartialResize& resize, int64_t origin) {
  return {resize.in_width, resize.out_width, resize.out.left, resize.out.left + resize.out.width,
          origin};
}

Axis down(const PartialResize& resize, int64_t origin) {
  return {resize.in_height, resize.out_height, resize.out.top, resize.out.top + resize.out.height,
          origin};
}

// First and number of the inputs that the wanted outputs read.
std::pair<int64_t, int64_t> inputs(const Axis& axis, Interpolation interpolation) {
  if (axis.unchanged()) {
    return {axis.begin, axis.end - axis.begin};
  }
  const Filter filter = make_filter(axis, interpolation);
  return {filter.first, filter.used};
}

}  // namespace

Image resize(const Image& image,
             const Window& window,
             int64_t width,
             int64_t height,
             Interpolation interpolation) {
  return resize_view(part_of(view_of(image), window), {window.width, width, 0, width},
                     {window.height, height, 0, height}, interpolation);
}

Image resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation) {
  return resize(image, {0, 0, image.width, image.height}, width, height, interpolation);
}

Window needed_for(const PartialResize& resize, Interpolation interpolation) {
  const auto [left, width] = inputs(across(resize, 0), interpolation);
  const auto [top, height] = inputs(down(resize, 0), interpolation);
  return {left, top, width, height};
}

Image resize_part(const Image& image,
                  const Window& held,
                  const PartialResize& resize,
                  Interpolation interpolation) {
  return resize_view(view_of(image), across(resize, held.left), down(resize, held.top),
                     interpolation);
}

}  // namespace nala::data
