// The matrix product of ops/cpu/layer_kernels.h in register tiles. W is a vector class, F says how
// factors are kept and multiplied:
//   F::Value, F::kDepth (values of a row multiplied at once), F::Packed, F::load(),
//   F::multiply_add().
#pragma once

#include <cstdint>

#include "ops/cpu/layer_elements.h"
#include "ops/cpu/layer_kernels.h"

namespace nala::ops::cpu {

/// Rows of a register tile of `kVectors` vectors' width.
template <class V>
constexpr int tile_rows(int vectors) {
  return V::kWidth == 16 ? (vectors == 1   ? 14
                            : vectors == 2 ? 12
                            : vectors == 3 ? 8
                                           : 6)
                         : (vectors == 1   ? 8
                            : vectors == 2 ? 6
                            : vectors == 3 ? 4
                                           : 2);
}

/// Float32 factors.
template <class V>
struct Float32Factors {
  using Value = float;
  using Packed = typename V::Reg;
  static constexpr int kDepth = 1;
  static Packed load(const float* p) { return V::load(p); }
  static typename V::Reg multiply_add(const float* a, Packed b, typename V::Reg sum) {
    return V::fma(V::set(*a), b, sum);
  }
};

/// Finishes a tile's sums: bias, activation, residual; row r, columns from `column`.
template <class V>
[[gnu::noinline]] void finish_tile(
    const Product& p, int64_t row, int64_t column, int rows, int width, float* sums) {
  const int64_t count = p.columns - column < width ? p.columns - column : width;
  for (int r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < count; c += V::kWidth) {
      const auto mask = lanes_of<V>(count - c);
      auto x = V::load(sums + r * width + c);
      if (p.bias != nullptr) {
        x = x + V::load(p.bias + column + c, mask);
      }
      if (p.activation == Activation::gelu) {
        x = gelu<V>(x);
      } else if (p.activation == Activation::silu) {
        x = silu<V>(x);
      }
      if (p.residual != nullptr) {
        x = x + V::load(p.residual + (row + r) * p.residual_stride + column + c, mask);
      }
      store_as<V>(p.out, (row + r) * p.out_stride + column + c, mask, x, p.out_bfloat16);
    }
  }
}

template <class V, class F, int kRows, int kVectors>
void product_tile(const Product& p, int64_t row, int64_t column) {
  using Value = typename F::Value;
  const auto depth = static_cast<int>(p.depth);
  const int64_t panel = p.pieces * p.depth * V::kWidth;
  const auto* b = static_cast<const Value*>(p.weights) + column / V::kWidth * panel;
  const auto* a = static_cast<const Value*>(p.a) + row * p.a_stride;
  typename V::Reg sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kVectors; ++c) {
      sum[r][c] = V::zero();
    }
  }
  for (int64_t piece = 0; piece < p.pieces; ++piece) {
    for (int k = 0; k < depth; k += F::kDepth) {
      typename F::Packed x[kVectors];
#pragma GCC unroll 4
      for (int c = 0; c < kVectors; ++c) {
        x[c] = F::load(b + c * panel);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < kVectors; ++c) {
          sum[r][c] = F::multiply_add(a + r * p.a_stride + k, x[c], sum[r][c]);
        }
      }
      b += F::kDepth * V::kWidth;
    }
    a += p.piece_stride;
  }
  alignas(64) float sums[kRows * kVectors * V::kWidth];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kVectors; ++c) {
      V::store(sums + (r * kVectors + c) * V::kWidth, sum[r][c]);
    }
  }
  finish_tile<V>(p, row, column, kRows, kVectors * V::kWidth, sums);
}

/// The rows from `row` on that are fewer than a tile's.
template <class V, class F, int kRows, int kVectors>
void product_rest(const Product& p, int64_t row, int64_t column) {
  if constexpr (kRows > 0) {
    if (p.rows - row == kRows) {
      product_tile<V, F, kRows, kVectors>(p, row, column);
    } else {
      product_rest<V, F, kRows - 1, kVectors>(p, row, column);
    }
  }
}

template <class V, class F, int kVectors>
void product_columns(const Product& p, int64_t column) {
  constexpr int kRows = tile_rows<V>(kVectors);
  int64_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) {
    product_tile<V, F, kRows, kVectors>(p, row, column);
  }
  product_rest<V, F, kRows - 1, kVectors>(p, row, column);
}

template <class V, class F>
void product(const Product& p) {
  int64_t column = p.first_column;
  while (column < p.columns) {
    const int64_t left = (p.columns - column + V::kWidth - 1) / V::kWidth;
    // Five vectors as three and two: a tile of one is held up by its additions.
    const int64_t vectors = left >= 4 && left != 5 ? 4 : left == 5 ? 3 : left;
    if (vectors == 4) {
      product_columns<V, F, 4>(p, column);
    } else if (vectors == 3) {
      product_columns<V, F, 3>(p, column);
    } else if (vectors == 2) {
      product_columns<V, F, 2>(p, column);
    } else {
      product_columns<V, F, 1>(p, column);
    }
    column += vectors * V::kWidth;
  }
}

/// Panels of V::kWidth columns, F::kDepth values of a column side by side; zeros fill the last.
template <class V, class F>
void pack(const Unpacked& p, void* packed) {
  auto* to = static_cast<typename F::Value*>(packed);
  const int64_t panels = (p.columns + kPanelColumns - 1) / kPanelColumns;
  for (int64_t column = 0; column < panels * kPanelColumns; column += V::kWidth) {
    for (int64_t k = 0; k < p.depth; k += F::kDepth) {
      for (int64_t w = 0; w < V::kWidth; ++w) {
        for (int64_t i = 0; i < F::kDepth; ++i) {
          const bool inside = column + w < p.columns && k + i < p.depth;
          const float x =
              inside ? p.weights[(column + w) * p.column_stride + (k + i) * p.depth_stride] : 0;
          *to++ = value_of<typename F::Value>(x);
        }
      }
    }
  }
}

}  // namespace nala::ops::cpu
