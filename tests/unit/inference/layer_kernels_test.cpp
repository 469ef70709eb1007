// Each kernel of every instruction set at hand against the plain formula in float64.
#include "ops/cpu/layer_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace nala::ops::cpu {
namespace {

struct Named {
  const char* name;
  const LayerKernels* kernels;
};

std::vector<Named> kernels_at_hand() {
  std::vector<Named> all;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    all.push_back({"avx2", &kLayersAvx2});
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    all.push_back({"avx512", &kLayersAvx512});
    if (__builtin_cpu_supports("avx512bf16")) {
      all.push_back({"avx512_bf16", &kLayersAvx512Bf16});
    }
  }
  return all;
}

float of_bfloat16(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float x = 0;
  std::memcpy(&x, &wide, sizeof x);
  return x;
}

std::vector<float> noise(size_t count, unsigned seed, float scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& x : values) {
    x = normal(generator);
  }
  return values;
}

// Values as a precision keeps them: their bytes, and what they stand for.
struct Kept {
  Kept(const LayerKernels& kernels, const std::vector<float>& values) : stand_for(values) {
    if (kernels.precision == Precision::bfloat16) {
      halves.resize(values.size());
      kernels.to_bfloat16(values.data(), static_cast<int64_t>(values.size()), halves.data());
      for (size_t i = 0; i < values.size(); ++i) {
        stand_for[i] = of_bfloat16(halves[i]);
      }
    }
  }
  [[nodiscard]] const void* data() const {
    return halves.empty() ? static_cast<const void*>(stand_for.data()) : halves.data();
  }
  std::vector<uint16_t> halves;
  std::vector<float> stand_for;
};

double activated(double x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return x * 0.5 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::none:
      break;
  }
  return x;
}

constexpr float kGuard = 12345;

// A product with overlapping rows of several pieces, guard values around the result.
void check_product(const LayerKernels& kernels, int64_t rows, int64_t columns, int64_t pieces) {
  constexpr int64_t kDepth = 6;
  const int64_t depth = pieces * kDepth;
  const int64_t stride = 4;
  const int64_t piece_stride = rows * stride + kDepth;
  const Kept a(kernels, noise(static_cast<size_t>(pieces * piece_stride), 1));
  const std::vector<float> given = noise(static_cast<size_t>(columns * depth), 2);
  const Kept weights(kernels, given);
  const std::vector<float> bias = noise(static_cast<size_t>(columns), 3);
  const std::vector<float> residual = noise(static_cast<size_t>(rows * columns), 4);
  std::vector<std::byte> packed(packed_bytes(columns, depth, kernels.precision));
  kernels.pack(
      {.weights = given.data(), .columns = columns, .depth = depth, .column_stride = depth},
      packed.data());
  for (const Activation activation : {Activation::none, Activation::gelu, Activation::silu}) {
    std::vector<float> out(static_cast<size_t>(rows * (columns + 3)), kGuard);
    kernels.product({.a = a.data(),
                     .a_stride = stride,
                     .pieces = pieces,
                     .piece_stride = piece_stride,
                     .depth = kDepth,
                     .weights = packed.data(),
                     .bias = bias.data(),
                     .rows = rows,
                     .columns = columns,
                     .activation = activation,
                     .residual = residual.data(),
                     .residual_stride = columns,
                     .out = out.data(),
                     .out_stride = columns + 3});
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns + 3; ++c) {
        const float got = out[r * (columns + 3) + c];
        if (c >= columns) {
          ASSERT_EQ(got, kGuard) << "row " << r << " column " << c;
          continue;
        }
        double sum = bias[c];
        for (int64_t p = 0; p < pieces; ++p) {
          for (int64_t k = 0; k < kDepth; ++k) {
            sum += static_cast<double>(a.stand_for[p * piece_stride + r * stride + k]) *
                   weights.stand_for[c * depth + p * kDepth + k];
          }
        }
        const double expected = activated(sum, activation) + residual[r * columns + c];
        ASSERT_NEAR(got, expected, 4e-6 + 4e-7 * std::abs(expected))
            << "row " << r << " column " << c;
      }
    }
  }
}

TEST(LayerKernels, ProductsOfEveryRestOfRowsAndColumns) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    SCOPED_TRACE(name);
    for (int64_t rows = 1; rows <= 16; ++rows) {
      for (const int64_t columns : {1, 15, 16, 17, 33, 48, 64, 80, 100}) {
        check_product(*kernels, rows, columns, rows % 3 + 1);
      }
    }
  }
}

TEST(LayerKernels, ColumnsFromTheMiddle) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    SCOPED_TRACE(name);
    const Kept a(*kernels, noise(5 * 8, 1));
    const std::vector<float> weights = noise(64 * 8, 2);
    std::vector<std::byte> packed(packed_bytes(64, 8, kernels->precision));
    kernels->pack({.weights = weights.data(), .columns = 64, .depth = 8, .column_stride = 8},
                  packed.data());
    std::vector<float> whole(5 * 64);
    std::vector<float> part(5 * 64, kGuard);
    Product product{.a = a.data(),
                    .a_stride = 8,
                    .depth = 8,
                    .weights = packed.data(),
                    .rows = 5,
                    .columns = 64,
                    .out = whole.data(),
                    .out_stride = 64};
    kernels->product(product);
    product.first_column = 16;
    product.columns = 40;
    product.out = part.data();
    kernels->product(product);
    for (int64_t i = 0; i < 5 * 64; ++i) {
      const int64_t c = i % 64;
      EXPECT_EQ(part[i], c >= 16 && c < 40 ? whole[i] : kGuard) << i;
    }
  }
}

TEST(LayerKernels, Gelu) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    if (kernels->precision != Precision::float32) {
      continue;
    }
    SCOPED_TRACE(name);
    std::vector<float> x;
    for (float value = -12; value <= 12; value += 1.0F / 64) {
      x.push_back(value);
    }
    const float one = 1;
    std::vector<std::byte> packed(packed_bytes(1, 1, Precision::float32));
    kernels->pack({.weights = &one, .columns = 1, .depth = 1, .column_stride = 1}, packed.data());
    std::vector<float> out(x.size());
    kernels->product({.a = x.data(),
                      .a_stride = 1,
                      .depth = 1,
                      .weights = packed.data(),
                      .rows = static_cast<int64_t>(x.size()),
                      .columns = 1,
                      .activation = Activation::gelu,
                      .out = out.data(),
                      .out_stride = 1});
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(out[i], activated(x[i], Activation::gelu), 4e-6) << x[i];
      if (std::abs(x[i]) < 4.9F) {
        EXPECT_NEAR(out[i], activated(x[i], Activation::gelu), 1.2e-6) << x[i];
      }
    }
  }
}

TEST(LayerKernels, DepthwiseRowsWithBorders) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    for (const int kernel : {3, 5}) {
      for (const int64_t width : {1, 2, 4, 5, 9}) {
        for (const int64_t channels : {1, 16, 23}) {
          SCOPED_TRACE(std::string(name) + " " + std::to_string(kernel) + " " +
                       std::to_string(width) + " " + std::to_string(channels));
          const int64_t pixel = channels + 2;
          const auto map = noise(static_cast<size_t>(kernel * width * pixel), 5);
          const auto weights = noise(static_cast<size_t>(kernel * kernel * channels), 6);
          const auto bias = noise(static_cast<size_t>(channels), 7);
          std::vector<const float*> rows;
          for (int y = 0; y < kernel; ++y) {
            rows.push_back(map.data() + y * width * pixel);
          }
          std::vector<float> out(static_cast<size_t>(width * channels), kGuard);
          kernels->depthwise_row({.rows = rows.data(),
                                  .pixel_stride = pixel,
                                  .width = width,
                                  .channels = channels,
                                  .kernel = kernel,
                                  .weights = weights.data(),
                                  .weight_stride = channels,
                                  .bias = bias.data(),
                                  .out = out.data(),
                                  .out_stride = channels});
          for (int64_t x = 0; x < width; ++x) {
            for (int64_t c = 0; c < channels; ++c) {
              double sum = bias[c];
              for (int ky = 0; ky < kernel; ++ky) {
                for (int kx = 0; kx < kernel; ++kx) {
                  const int64_t from = x + kx - kernel / 2;
                  if (from >= 0 && from < width) {
                    sum += static_cast<double>(rows[ky][from * pixel + c]) *
                           weights[(ky * kernel + kx) * channels + c];
                  }
                }
              }
              ASSERT_NEAR(out[x * channels + c], sum, 5e-6);
            }
          }
        }
      }
    }
  }
}

TEST(LayerKernels, GradientsOfADepthwiseRow) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    for (const int kernel : {3, 5}) {
      for (const int64_t width : {1, 4, 9}) {
        for (const int64_t channels : {1, 16, 23}) {
          SCOPED_TRACE(std::string(name) + " " + std::to_string(kernel) + " " +
                       std::to_string(width) + " " + std::to_string(channels));
          const int64_t pixel = channels + 3;
          const auto map = noise(static_cast<size_t>(kernel * width * pixel), 15);
          const auto gradient = noise(static_cast<size_t>(width * channels), 16);
          const int64_t values = (kernel * kernel + 1) * channels;
          const auto before = noise(static_cast<size_t>(values), 17);
          std::vector<float> sums = before;
          sums.push_back(kGuard);
          std::vector<const float*> rows;
          for (int y = 0; y < kernel; ++y) {
            rows.push_back(map.data() + y * width * pixel);
          }
          kernels->depthwise_gradient_row({.rows = rows.data(),
                                           .pixel_stride = pixel,
                                           .width = width,
                                           .channels = channels,
                                           .kernel = kernel,
                                           .gradient = gradient.data(),
                                           .gradient_stride = channels,
                                           .sums = sums.data()});
          for (int64_t i = 0; i < values; ++i) {
            const int64_t tap = i / channels;
            const int64_t c = i % channels;
            const bool is_bias = tap == kernel * kernel;
            double sum = before[i];
            for (int64_t x = 0; x < width; ++x) {
              const int64_t from = x + tap % kernel - kernel / 2;
              const double factor = is_bias ? 1
                                    : from < 0 || from >= width
                                        ? 0
                                        : rows[tap / kernel][from * pixel + c];
              sum += factor * gradient[x * channels + c];
            }
            ASSERT_NEAR(sums[i], sum, 5e-6) << i;
          }
          ASSERT_EQ(sums.back(), kGuard);
        }
      }
    }
  }
}

TEST(LayerKernels, NormalisedRows) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    for (const int64_t channels : {1, 16, 30, 64}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(channels));
      constexpr int64_t kRows = 21;
      const auto x = noise(static_cast<size_t>(kRows * channels), 8, 3);
      std::vector<float> out(x.size());
      kernels->normalise({.in = x.data(),
                          .in_stride = channels,
                          .rows = kRows,
                          .channels = channels,
                          .eps = 1e-3F,
                          .out = out.data(),
                          .out_stride = channels});
      for (int64_t r = 0; r < kRows; ++r) {
        double mean = 0;
        double variance = 0;
        for (int64_t c = 0; c < channels; ++c) {
          mean += x[r * channels + c] / static_cast<double>(channels);
        }
        for (int64_t c = 0; c < channels; ++c) {
          const double distance = x[r * channels + c] - mean;
          variance += distance * distance / static_cast<double>(channels);
        }
        for (int64_t c = 0; c < channels; ++c) {
          ASSERT_NEAR(out[r * channels + c],
                      (x[r * channels + c] - mean) / std::sqrt(variance + 1e-3), 3e-6);
        }
      }
    }
  }
}

TEST(LayerKernels, SoftmaxOfRows) {
  for (const auto& [name, kernels] : kernels_at_hand()) {
    for (const int64_t columns : {1, 7, 16, 50}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(columns));
      constexpr int64_t kStride = 64;
      auto x = noise(3 * kStride, 9, 20);
      const auto given = x;
      float inverse[3];
      kernels->softmax_rows(x.data(), kStride, 3, columns, inverse);
      for (int64_t r = 0; r < 3; ++r) {
        double most = given[r * kStride];
        double sum = 0;
        for (int64_t c = 0; c < columns; ++c) {
          most = std::max<double>(most, given[r * kStride + c]);
        }
        for (int64_t c = 0; c < columns; ++c) {
          sum += std::exp(given[r * kStride + c] - most);
        }
        for (int64_t c = 0; c < columns; ++c) {
          ASSERT_NEAR(x[r * kStride + c] * inverse[r],
                      std::exp(given[r * kStride + c] - most) / sum, 1e-6);
        }
      }
    }
  }
}

}  // namespace
}  // namespace nala::ops::cpu
