// The functions of ops/cpu/layer_kernels.h that work row by row, for any vector class.
#pragma once

#include <cstdint>

#include "ops/cpu/layer_elements.h"
#include "ops/cpu/layer_kernels.h"

namespace nala::ops::cpu {

// Depthwise convolution --------------------------------------------------------------------------

/// How far ahead memory is asked for.
inline constexpr int64_t kPixelsAhead = 12;

/// One vector of channels of a whole row; its weights stay in registers. A column of the map is
/// read once, for all results that it is part of, and asked for some pixels ahead: a slice of a
/// packed projection skips memory that the hardware's own prefetching cannot follow, and pixels a
/// power of two apart share few sets of the first-level cache.
template <class V, int kKernel>
inline void depthwise_channels(const DepthwiseRow& p, int64_t c) {
  constexpr int kHalf = kKernel / 2;
  const auto mask = lanes_of<V>(p.channels - c);
  typename V::Reg weights[kKernel * kKernel];
#pragma GCC unroll 25
  for (int i = 0; i < kKernel * kKernel; ++i) {
    weights[i] = V::load(p.weights + i * p.weight_stride + c, mask);
  }
  const auto bias = V::load(p.bias + c, mask);
  typename V::Reg sums[kKernel];  // of pixels x - kHalf ... x + kHalf
#pragma GCC unroll 5
  for (int i = 0; i < kKernel; ++i) {
    sums[i] = bias;
  }
  const auto finish_first = [&](int64_t pixel) {
    if (pixel >= 0) {
      store_as<V>(p.out, pixel * p.out_stride + c, mask, sums[0], p.out_bfloat16);
    }
#pragma GCC unroll 5
    for (int i = 0; i + 1 < kKernel; ++i) {
      sums[i] = sums[i + 1];
    }
    sums[kKernel - 1] = bias;
  };
  for (int64_t x = 0; x < p.width; ++x) {
    __builtin_prefetch(p.rows[kKernel - 1] + (x + kPixelsAhead) * p.pixel_stride + c);
#pragma GCC unroll 5
    for (int ky = 0; ky < kKernel; ++ky) {
      const auto value = V::load(p.rows[ky] + x * p.pixel_stride + c, mask);
#pragma GCC unroll 5
      for (int i = 0; i < kKernel; ++i) {
        sums[i] = V::fma(value, weights[ky * kKernel + kKernel - 1 - i], sums[i]);
      }
    }
    finish_first(x - kHalf);
  }
#pragma GCC unroll 2
  for (int i = 0; i < kHalf; ++i) {
    finish_first(p.width - kHalf + i);
  }
}

template <class V>
void depthwise_row(const DepthwiseRow& p) {
  for (int64_t c = 0; c < p.channels; c += V::kWidth) {
    if (p.kernel == 3) {
      depthwise_channels<V, 3>(p, c);
    } else {
      depthwise_channels<V, 5>(p, c);
    }
  }
}

/// One vector of channels; its sums stay in registers. Columns are read as in depthwise_channels().
template <class V, int kKernel>
inline void depthwise_gradient_channels(const DepthwiseGradientRow& p, int64_t c) {
  constexpr int kHalf = kKernel / 2;
  const auto mask = lanes_of<V>(p.channels - c);
  float* const sums = p.sums + c;
  typename V::Reg weights[kKernel * kKernel];
#pragma GCC unroll 25
  for (int i = 0; i < kKernel * kKernel; ++i) {
    weights[i] = V::load(sums + i * p.channels, mask);
  }
  auto bias = V::load(sums + kKernel * kKernel * p.channels, mask);
  typename V::Reg gradients[kKernel];  // of pixels x - kHalf ... x + kHalf; 0 outside of the row
  const auto next = [&](int64_t pixel) {
#pragma GCC unroll 5
    for (int i = 0; i + 1 < kKernel; ++i) {
      gradients[i] = gradients[i + 1];
    }
    gradients[kKernel - 1] = V::zero();
    if (pixel < p.width) {
      gradients[kKernel - 1] = V::load(p.gradient + pixel * p.gradient_stride + c, mask);
      bias = bias + gradients[kKernel - 1];
    }
  };
#pragma GCC unroll 5
  for (int i = 0; i < kKernel; ++i) {
    gradients[i] = V::zero();
  }
#pragma GCC unroll 2
  for (int i = 0; i < kHalf; ++i) {
    next(i);
  }
  for (int64_t x = 0; x < p.width; ++x) {
    next(x + kHalf);
    __builtin_prefetch(p.rows[kKernel - 1] + (x + kPixelsAhead) * p.pixel_stride + c);
    __builtin_prefetch(p.gradient + (x + kPixelsAhead) * p.gradient_stride + c);
#pragma GCC unroll 5
    for (int ky = 0; ky < kKernel; ++ky) {
      const auto value = V::load(p.rows[ky] + x * p.pixel_stride + c, mask);
#pragma GCC unroll 5
      for (int i = 0; i < kKernel; ++i) {
        auto& sum = weights[ky * kKernel + kKernel - 1 - i];
        sum = V::fma(value, gradients[i], sum);
      }
    }
  }
#pragma GCC unroll 25
  for (int i = 0; i < kKernel * kKernel; ++i) {
    V::store(sums + i * p.channels, mask, weights[i]);
  }
  V::store(sums + kKernel * kKernel * p.channels, mask, bias);
}

template <class V>
void depthwise_gradient_row(const DepthwiseGradientRow& p) {
  for (int64_t c = 0; c < p.channels; c += V::kWidth) {
    if (p.kernel == 3) {
      depthwise_gradient_channels<V, 3>(p, c);
    } else {
      depthwise_gradient_channels<V, 5>(p, c);
    }
  }
}

template <class V>
void read_values(const ReadValues& p) {
  for (int64_t i = 0; i < p.count; i += V::kWidth) {
    const auto mask = lanes_of<V>(p.count - i);
    const auto x = load_as<V>(p.in, i, mask, p.in_bfloat16);
    V::store(p.out + i, mask, p.activation == Activation::gelu ? gelu<V>(x) : x);
  }
}

template <class V>
void read_gradient(const ReadGradient& p) {
  for (int64_t i = 0; i < p.count; i += V::kWidth) {
    const auto mask = lanes_of<V>(p.count - i);
    auto gradient = V::load(p.gradient + i, mask);
    if (p.activation == Activation::gelu) {
      gradient = gradient * gelu_slope<V>(load_as<V>(p.in, i, mask, p.bfloat16));
    }
    store_as<V>(p.out, i, mask, gradient, p.bfloat16);
  }
}

// Normalisation ----------------------------------------------------------------------------------

template <class V>
inline float lane_sum(typename V::Reg x) {
  alignas(64) float lanes[V::kWidth];
  V::store(lanes, x);
  for (int step = V::kWidth / 2; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) {
      lanes[i] += lanes[i + step];
    }
  }
  return lanes[0];
}

/// V::kWidth rows at once: their sums are formed together.
template <class V>
inline void normalise_group(const Normalisation& p, int64_t row, int rows) {
  constexpr int kWidth = V::kWidth;
  alignas(64) float parts[kWidth * kWidth] = {};
  alignas(64) float mean[kWidth];
  alignas(64) float rstd[kWidth];
  const auto channels = V::set(static_cast<float>(p.channels));
  for (int r = 0; r < rows; ++r) {
    const float* x = p.in + (row + r) * p.in_stride;
    auto sum = V::zero();
    for (int64_t c = 0; c < p.channels; c += kWidth) {
      sum = sum + V::load(x + c, lanes_of<V>(p.channels - c));
    }
    V::store(parts + r * kWidth, sum);
  }
  V::store(mean, V::row_sums(parts) / channels);
  for (int r = 0; r < rows; ++r) {
    const float* x = p.in + (row + r) * p.in_stride;
    auto sum = V::zero();
    for (int64_t c = 0; c < p.channels; c += kWidth) {
      const auto mask = lanes_of<V>(p.channels - c);
      const auto distance = V::keep(mask, V::load(x + c, mask) - V::set(mean[r]));
      sum = V::fma(distance, distance, sum);
    }
    V::store(parts + r * kWidth, sum);
  }
  V::store(rstd, V::set(1) / V::sqrt(V::row_sums(parts) / channels + V::set(p.eps)));
  for (int r = 0; r < rows; ++r) {
    const float* x = p.in + (row + r) * p.in_stride;
    for (int64_t c = 0; c < p.channels; c += kWidth) {
      const auto mask = lanes_of<V>(p.channels - c);
      const auto value = (V::load(x + c, mask) - V::set(mean[r])) * V::set(rstd[r]);
      store_as<V>(p.out, (row + r) * p.out_stride + c, mask, value, p.out_bfloat16);
    }
  }
}

template <class V>
void normalise(const Normalisation& p) {
  for (int64_t row = 0; row < p.rows; row += V::kWidth) {
    const int64_t left = p.rows - row;
    normalise_group<V>(p, row, left < V::kWidth ? static_cast<int>(left) : V::kWidth);
  }
}

// Softmax attention ------------------------------------------------------------------------------

template <class V>
void rotate(const RotatedRows& p) {
  const auto factor = V::set(p.factor);
  for (int64_t row = 0; row < p.rows; ++row) {
    const float* in = p.in + row * p.in_stride;
    for (int64_t c = 0; c < p.channels; c += V::kWidth) {
      const auto mask = lanes_of<V>(p.channels - c);
      auto x = V::load(in + c, mask) * factor;
      if (p.cos != nullptr) {
        const auto cos = V::load(p.cos + row * p.channels + c, mask);
        const auto sin = V::load(p.sin + row * p.channels + c, mask);
        x = V::fmaddsub(x, cos, V::swap_pairs(x) * sin);
      }
      V::store(p.out + row * p.out_stride + c, mask, x);
    }
  }
}

template <class V>
void softmax_rows(float* x, int64_t stride, int64_t rows, int64_t columns, float* inverse) {
  for (int64_t row = 0; row < rows; ++row) {
    float* const values = x + row * stride;
    auto most = V::set(values[0]);
    for (int64_t c = 0; c < columns; c += V::kWidth) {
      const auto mask = lanes_of<V>(columns - c);
      most = V::max(most, V::select(mask, V::load(values + c, mask), most));
    }
    alignas(64) float lanes[V::kWidth];
    V::store(lanes, most);
    float maximum = lanes[0];
    for (int i = 1; i < V::kWidth; ++i) {
      maximum = lanes[i] > maximum ? lanes[i] : maximum;
    }
    auto sum = V::zero();
    for (int64_t c = 0; c < columns; c += V::kWidth) {
      const auto mask = lanes_of<V>(columns - c);
      // Below e^-87 nothing is left beside the largest, which is 1.
      const auto from_most = V::max(V::set(-87), V::load(values + c, mask) - V::set(maximum));
      const auto value = V::keep(mask, exp<V>(from_most));
      V::store(values + c, mask, value);
      sum = sum + value;
    }
    inverse[row] = 1 / lane_sum<V>(sum);
  }
}

// Small ones -------------------------------------------------------------------------------------

template <class V>
void add_rows(const float* x, int64_t stride, int64_t rows, int64_t columns, float* sums) {
  for (int64_t c = 0; c < columns; c += V::kWidth) {
    const auto mask = lanes_of<V>(columns - c);
    auto sum = V::load(sums + c, mask);
    for (int64_t row = 0; row < rows; ++row) {
      sum = sum + V::load(x + row * stride + c, mask);
    }
    V::store(sums + c, mask, sum);
  }
}

template <class V>
void to_bfloat16(const float* from, int64_t count, uint16_t* to) {
  for (int64_t i = 0; i < count; i += V::kWidth) {
    const auto mask = lanes_of<V>(count - i);
    V::store_bfloat16(to + i, mask, V::load(from + i, mask));
  }
}

}  // namespace nala::ops::cpu
