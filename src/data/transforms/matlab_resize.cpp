#include "data/transforms/matlab_resize.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace nala::data {
namespace {

constexpr std::array<std::string_view, 2> kForms = {"matlab", "matlab_legacy"};

double cubic(double x) {
  x = std::abs(x);
  if (x <= 1) {
    return (1.5 * x - 2.5) * x * x + 1;
  }
  return x <= 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// The inputs that one output reads, borders already resolved.
struct Tap {
  int64_t input = 0;
  double weight = 0;
};

struct Filter {
  std::vector<size_t> begins;  // where each output's taps begin, and the end of the last
  std::vector<Tap> taps;
};

// Index `i` of a line of `length` values continued beyond its ends.
int64_t inside(int64_t i, int64_t length, bool repeat) {
  if (repeat) {
    return std::clamp<int64_t>(i, 0, length - 1);
  }
  const int64_t period = 2 * length;
  i = (i % period + period) % period;
  return i < length ? i : period - 1 - i;
}

// Outputs [begin, end) of a line of `length` values. Source: MATLAB's imresize, as BasicSR's
// matlab_functions.py restates it; positions from 0 here.
Filter make_filter(int64_t length, int64_t begin, int64_t end, const MatlabResize& resize) {
  const double step = static_cast<double>(resize.divide) / static_cast<double>(resize.multiply);
  const double stretch = std::max(step, 1.0);
  const double support = 4 * stretch;
  const auto count = static_cast<int64_t>(std::ceil(support)) + 2;
  Filter filter;
  std::vector<double> weights(static_cast<size_t>(count));
  for (int64_t i = begin; i < end; ++i) {
    const double centre = static_cast<double>(i) * step + 0.5 * (step - 1);
    const auto first = static_cast<int64_t>(std::floor(centre - support / 2));
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) {
      double& weight = weights[static_cast<size_t>(k)];
      weight = cubic((centre - static_cast<double>(first + k)) / stretch);
      sum += weight;
    }
    filter.begins.push_back(filter.taps.size());
    for (int64_t k = 0; k < count; ++k) {
      const double weight = weights[static_cast<size_t>(k)];
      if (weight != 0) {
        filter.taps.push_back({inside(first + k, length, resize.repeat_border), weight / sum});
      }
    }
  }
  filter.begins.push_back(filter.taps.size());
  return filter;
}

double rounded(double value) {
  return std::clamp(std::floor(value + 0.5), 0.0, 255.0);
}

// Columns that some output of the second pass reads.
struct Columns {
  int64_t begin = 0;
  int64_t end = 0;
};

Columns columns_of(const Filter& filter) {
  const auto [low, high] =
      std::minmax_element(filter.taps.begin(), filter.taps.end(),
                          [](const Tap& a, const Tap& b) { return a.input < b.input; });
  return {low->input, high->input + 1};
}

// One output row of the first pass, of the columns that are needed.
template <class T>
void sum_rows(const T* image,
              int64_t row_length,
              std::span<const Tap> taps,
              std::span<double> result) {
  std::ranges::fill(result, 0.0);
  for (const Tap& tap : taps) {
    const T* row = image + tap.input * row_length;
    for (size_t x = 0; x < result.size(); ++x) {
      result[x] += tap.weight * static_cast<double>(row[x]);
    }
  }
}

struct Shape {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;
};

// `window` of the resized picture: height first, then width.
template <class T>
RealImage resize_window(const T* image,
                        const Shape& shape,
                        const MatlabResize& resize,
                        const Window& window) {
  const Filter rows = make_filter(shape.height, window.top, window.top + window.height, resize);
  const Filter columns = make_filter(shape.width, window.left, window.left + window.width, resize);
  const Columns used = columns_of(columns);
  const int64_t channels = shape.channels;
  RealImage out{window.width, window.height, channels, {}};
  out.values.resize(static_cast<size_t>(window.width * window.height * channels));
  std::vector<double> line(static_cast<size_t>((used.end - used.begin) * channels));
  double* result = out.values.data();
  for (int64_t y = 0; y < window.height; ++y) {
    const auto first = rows.begins[static_cast<size_t>(y)];
    sum_rows(image + used.begin * channels, shape.width * channels,
             std::span(rows.taps).subspan(first, rows.begins[static_cast<size_t>(y) + 1] - first),
             line);
    if (resize.round_each_pass) {
      std::ranges::transform(line, line.begin(), rounded);
    }
    for (int64_t x = 0; x < window.width; ++x) {
      for (int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (size_t t = columns.begins[static_cast<size_t>(x)];
             t < columns.begins[static_cast<size_t>(x) + 1]; ++t) {
          const Tap& tap = columns.taps[t];
          sum += tap.weight * line[static_cast<size_t>((tap.input - used.begin) * channels + c)];
        }
        *result++ = resize.round_each_pass ? rounded(sum) : sum;
      }
    }
  }
  return out;
}

}  // namespace

std::span<const std::string_view> names_of(MatlabForm) {
  return kForms;
}

RealImage to_real(const Image& image) {
  return {image.width, image.height, image.channels,
          std::vector<double>(image.pixels.begin(), image.pixels.end())};
}

Image to_bytes(const RealImage& image) {
  Image bytes(image.width, image.height, image.channels);
  std::ranges::transform(image.values, bytes.pixels.begin(),
                         [](double value) { return static_cast<uint8_t>(rounded(value)); });
  return bytes;
}

RealImage matlab_resize(const RealImage& image, const MatlabResize& resize) {
  const auto size = [&](int64_t side) {
    return (side * resize.multiply + resize.divide - 1) / resize.divide;
  };
  return resize_window(image.values.data(), {image.width, image.height, image.channels}, resize,
                       {0, 0, size(image.width), size(image.height)});
}

Image matlab_reduce(const Image& image, int64_t divisor, MatlabForm form, const Window& window) {
  const bool legacy = form == MatlabForm::matlab_legacy;
  const MatlabResize resize{.divide = divisor, .repeat_border = legacy, .round_each_pass = legacy};
  return to_bytes(resize_window(image.pixels.data(), {image.width, image.height, image.channels},
                                resize, window));
}

Image matlab_reduce(const Image& image, int64_t divisor, MatlabForm form) {
  return matlab_reduce(
      image, divisor, form,
      {0, 0, (image.width + divisor - 1) / divisor, (image.height + divisor - 1) / divisor});
}

}  // namespace nala::data
