#include "data/transforms/affine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numbers>
#include <utility>

#include "data/transforms/vectorised.h"

namespace nala::data {
namespace {

// Where a sample falls: its left upper pixel and the way from there.
struct Place {
  int64_t x, y;
  double dx, dy;
};

// The products and sums below are Pillow's, in its order: another order rounds differently, and a
// truncated value can then be one less.
double linear(double a, double b, double d) {
  return a + (b - a) * d;
}

double cubic(double v1, double v2, double v3, double v4, double d) {
  const double p1 = v2;
  const double p2 = -v1 + v3;
  const double p3 = 2 * (v1 - v2) + v3 - v4;
  const double p4 = -v1 + v2 - v3 + v4;
  return p1 + d * (p2 + d * (p3 + d * p4));
}

uint8_t truncated(double value) {
  return value <= 0.0 ? 0 : value >= 255.0 ? 255 : static_cast<uint8_t>(value);
}

void sample_bilinear(const Image& image, const Place& at, uint8_t* out) {
  const int64_t x0 = 3 * std::clamp<int64_t>(at.x, 0, image.width - 1);
  const int64_t x1 = 3 * std::clamp<int64_t>(at.x + 1, 0, image.width - 1);
  const uint8_t* upper = image.row(std::clamp<int64_t>(at.y, 0, image.height - 1));
  const bool has_lower = at.y + 1 < image.height;
  const uint8_t* lower = has_lower ? image.row(at.y + 1) : upper;
  for (int64_t c = 0; c < 3; ++c) {
    const double v1 = linear(upper[x0 + c], upper[x1 + c], at.dx);
    const double v2 = has_lower ? linear(lower[x0 + c], lower[x1 + c], at.dx) : v1;
    out[c] = truncated(linear(v1, v2, at.dy));
  }
}

void sample_bicubic(const Image& image, const Place& at, uint8_t* out) {
  std::array<int64_t, 4> columns;
  for (int64_t i = 0; i < 4; ++i) {
    columns[i] = 3 * std::clamp<int64_t>(at.x - 1 + i, 0, image.width - 1);
  }
  for (int64_t c = 0; c < 3; ++c) {
    std::array<double, 4> v;
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t y = at.y - 1 + i;
      if (i > 0 && (y < 0 || y >= image.height)) {
        v[i] = v[i - 1];
        continue;
      }
      const uint8_t* row = image.row(std::clamp<int64_t>(y, 0, image.height - 1));
      v[i] = cubic(row[columns[0] + c], row[columns[1] + c], row[columns[2] + c],
                   row[columns[3] + c], at.dx);
    }
    out[c] = truncated(cubic(v[0], v[1], v[2], v[3], at.dy));
  }
}

// ---- The same well inside the picture: a pixel's channels side by side, and one idle lane.

using FourBytes = uint8_t __attribute__((vector_size(4)));
using FourInts = int32_t __attribute__((vector_size(16)));
using FourDoubles = double __attribute__((vector_size(32)));

// Whether the pixels around a place can be read without looking at the borders: four by four, and
// one byte more.
bool is_inner(const Image& image, const Place& at) {
  return at.x >= 1 && at.x + 3 < image.width && at.y >= 1 && at.y + 2 < image.height;
}

[[gnu::always_inline]] inline void load(const uint8_t* pixel, FourInts& out) {
  FourBytes bytes;
  std::memcpy(&bytes, pixel, sizeof bytes);
  out = __builtin_convertvector(bytes, FourInts);
}

// cubic() of the pixels at `first`, first + stride, ...; in whole numbers as long as they are
// whole.
[[gnu::always_inline]] inline void cubic(const uint8_t* first,
                                         int64_t stride,
                                         double d,
                                         FourDoubles& out) {
  FourInts v1, v2, v3, v4;
  load(first, v1);
  load(first + stride, v2);
  load(first + 2 * stride, v3);
  load(first + 3 * stride, v4);
  const FourDoubles p1 = __builtin_convertvector(v2, FourDoubles);
  const FourDoubles p2 = __builtin_convertvector(v3 - v1, FourDoubles);
  const FourDoubles p3 = __builtin_convertvector(2 * (v1 - v2) + v3 - v4, FourDoubles);
  const FourDoubles p4 = __builtin_convertvector(v2 - v1 - v3 + v4, FourDoubles);
  out = p1 + d * (p2 + d * (p3 + d * p4));
}

[[gnu::always_inline]] inline void store(const FourDoubles& exact, uint8_t* out) {
  constexpr FourDoubles kLow{};
  constexpr FourDoubles kHigh{255.0, 255.0, 255.0, 255.0};
  FourDoubles value = exact < kHigh ? exact : kHigh;
  value = value > kLow ? value : kLow;
  const FourInts whole = __builtin_convertvector(value, FourInts);
  const FourBytes bytes = __builtin_convertvector(whole, FourBytes);
  std::memcpy(out, &bytes, 3);
}

// sample_bicubic() where is_inner(). A distance of 0, which shearing and shifting along one side
// have in the other direction, leaves the value as it is.
[[gnu::always_inline]] inline void sample_inner(const Image& image, const Place& at, uint8_t* out) {
  const int64_t stride = 3 * image.width;
  const uint8_t* centre = image.row(at.y) + 3 * at.x;
  FourDoubles value;
  if (at.dy == 0.0) {
    cubic(centre - 3, 3, at.dx, value);
  } else if (at.dx == 0.0) {
    cubic(centre - stride, stride, at.dy, value);
  } else {
    FourDoubles v1, v2, v3, v4;
    cubic(centre - stride - 3, 3, at.dx, v1);
    cubic(centre - 3, 3, at.dx, v2);
    cubic(centre + stride - 3, 3, at.dx, v3);
    cubic(centre + 2 * stride - 3, 3, at.dx, v4);
    const FourDoubles p2 = -v1 + v3;
    const FourDoubles p3 = 2 * (v1 - v2) + v3 - v4;
    const FourDoubles p4 = -v1 + v2 - v3 + v4;
    value = v2 + at.dy * (p2 + at.dy * (p3 + at.dy * p4));
  }
  store(value, out);
}

// Row y of the mapped picture.
NALA_VECTORISED void map_row(const Image& image,
                             const AffineMatrix& m,
                             bool bicubic,
                             const Colour& fill,
                             std::pair<int64_t, uint8_t*> to) {
  const auto width = static_cast<double>(image.width);
  const auto height = static_cast<double>(image.height);
  auto [y, pixel] = to;
  const double centre_y = static_cast<double>(y) + 0.5;
  for (int64_t x = 0; x < image.width; ++x, pixel += 3) {
    const double centre_x = static_cast<double>(x) + 0.5;
    const double from_x = m[0] * centre_x + m[1] * centre_y + m[2];
    const double from_y = m[3] * centre_x + m[4] * centre_y + m[5];
    // Written so that a matrix of NaN falls outside.
    if (!(from_x >= 0.0 && from_x < width && from_y >= 0.0 && from_y < height)) {
      std::copy(fill.begin(), fill.end(), pixel);
      continue;
    }
    const double left = std::floor(from_x - 0.5);
    const double top = std::floor(from_y - 0.5);
    const Place at{static_cast<int64_t>(left), static_cast<int64_t>(top), from_x - 0.5 - left,
                   from_y - 0.5 - top};
    if (!bicubic) {
      sample_bilinear(image, at, pixel);
    } else if (is_inner(image, at)) {
      sample_inner(image, at, pixel);
    } else {
      sample_bicubic(image, at, pixel);
    }
  }
}

// Python's round(value, 15), which goes through the decimal text.
double rounded_to_15_digits(double value) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%.15f", value);
  return std::strtod(text.data(), nullptr);
}

AffineMatrix about(AffineMatrix m, double from_x, double from_y, double to_x, double to_y) {
  m[2] = m[0] * -from_x + m[1] * -from_y + m[2] + to_x;
  m[5] = m[3] * -from_x + m[4] * -from_y + m[5] + to_y;
  return m;
}

double radians(double degrees) {
  return degrees * (std::numbers::pi / 180.0);
}

}  // namespace

AffineMatrix rotation_matrix(double degrees, int64_t width, int64_t height) {
  double turn = std::fmod(degrees, 360.0);
  turn = turn < 0 ? turn + 360.0 : turn;
  const double angle = -radians(turn);
  const double cosine = rounded_to_15_digits(std::cos(angle));
  const double sine = rounded_to_15_digits(std::sin(angle));
  const double x = static_cast<double>(width) / 2.0;
  const double y = static_cast<double>(height) / 2.0;
  return about({cosine, sine, 0.0, rounded_to_15_digits(-std::sin(angle)), cosine, 0.0}, x, y, x,
               y);
}

Image affine(const Image& image,
             const AffineMatrix& m,
             Interpolation interpolation,
             const Colour& fill) {
  Image out(image.width, image.height);
  for (int64_t y = 0; y < out.height; ++y) {
    map_row(image, m, interpolation == Interpolation::bicubic, fill, {y, out.row(y)});
  }
  return out;
}

Image random_affine(const Image& image, const DataConfig& config, Rng& rng) {
  const AffineConfig& ranges = config.augment.affine;
  if (!rng.chance(ranges.probability)) {
    return image;
  }
  const auto symmetric = [&](double bound) { return rng.uniform(-bound, bound); };
  const double angle = radians(symmetric(ranges.rotate));
  const double shear = std::tan(radians(symmetric(ranges.shear)));
  const double scale = rng.uniform(ranges.scale[0], ranges.scale[1]);
  const auto width = static_cast<double>(image.width);
  const auto height = static_cast<double>(image.height);
  const double right = symmetric(ranges.translate) * width;
  const double down = symmetric(ranges.translate) * height;
  // The inverse of scale * rotation * shear, as the map goes from output to source.
  const double c = std::cos(angle) / scale;
  const double s = std::sin(angle) / scale;
  const AffineMatrix inverse = {c + shear * s, s - shear * c, 0.0, -s, c, 0.0};
  Colour fill = mean_colour(config);
  if (!ranges.fill.empty()) {
    std::transform(ranges.fill.begin(), ranges.fill.end(), fill.begin(),
                   [](double share) { return static_cast<uint8_t>(std::lround(255.0 * share)); });
  }
  return affine(image,
                about(inverse, width / 2.0 + right, height / 2.0 + down, width / 2.0, height / 2.0),
                config.interpolation, fill);
}

Colour mean_colour(const DataConfig& config) {
  Colour fill{};
  // Python's round, half to even, as timm has it.
  std::transform(config.mean.begin(), config.mean.end(), fill.begin(), [](double share) {
    return static_cast<uint8_t>(std::nearbyint(std::min(255.0, 255.0 * share)));
  });
  return fill;
}

}  // namespace nala::data
