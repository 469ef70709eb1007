// Products of small matrices in shared memory, by a whole block; results stay in registers.
//
// Each thread has a few rows and columns of the result, spread so that neighbouring threads read
// neighbouring words. Plain float32 multiply-adds: exact to rounding on every device.
#pragma once

#include "vectors.cuh"

namespace nala::cuda {

/// Columns (or rows) of a result that one of `across` threads has: groups of four, `across` groups
/// apart.
template <int count, int across>
struct Spread {
  static_assert(count % 4 == 0);
  static __device__ __forceinline__ int index(int thread, int i) {
    return i / 4 * 4 * across + thread * 4 + i % 4;
  }
  static __device__ __forceinline__ void load(const float* row, int thread, float (&to)[count]) {
    NALA_UNROLL
    for (int group = 0; group < count / 4; ++group) {
      const Four x = load_four(row + index(thread, 4 * group));
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        to[4 * group + i] = x.at[i];
      }
    }
  }
};

/// result[i][j] += sum over tokens t in [begin, end) of left[t][i'] right[t][j'], where i', j' are
/// Spread<Rows, down>::index(y, i) and Spread<Columns, across>::index(x, j).
template <int down, int across, int Rows, int Columns, int LeftPitch, int RightPitch>
__device__ __forceinline__ void add_outer_products(const float (*left)[LeftPitch],
                                                   const float (*right)[RightPitch],
                                                   int2 tokens,
                                                   int2 thread,
                                                   float (&result)[Rows][Columns]) {
  for (int t = tokens.x; t < tokens.y; ++t) {
    float a[Rows];
    float b[Columns];
    Spread<Rows, down>::load(left[t], thread.y, a);
    Spread<Columns, across>::load(right[t], thread.x, b);
    NALA_UNROLL
    for (int i = 0; i < Rows; ++i) {
      NALA_UNROLL
      for (int j = 0; j < Columns; ++j) {
        result[i][j] = fmaf(a[i], b[j], result[i][j]);
      }
    }
  }
}

/// result[i][j] += sum over k < depth of left[y + down i][first + k] right[k][j'], j' as above.
template <int depth, int down, int across, int Rows, int Columns, int LeftPitch, int RightPitch>
__device__ __forceinline__ void add_product(const float (*left)[LeftPitch],
                                            int first,
                                            const float (*right)[RightPitch],
                                            int2 thread,
                                            float (&result)[Rows][Columns]) {
  for (int k = 0; k < depth; k += 4) {
    Four a[Rows];
    NALA_UNROLL
    for (int i = 0; i < Rows; ++i) {
      a[i] = load_four(&left[thread.y + down * i][first + k]);
    }
    NALA_UNROLL
    for (int step = 0; step < 4; ++step) {
      float b[Columns];
      Spread<Columns, across>::load(right[k + step], thread.x, b);
      NALA_UNROLL
      for (int i = 0; i < Rows; ++i) {
        NALA_UNROLL
        for (int j = 0; j < Columns; ++j) {
          result[i][j] = fmaf(a[i].at[step], b[j], result[i][j]);
        }
      }
    }
  }
}

/// result[i][j] = sum over k < depth of left[y + down i][k] right[x + across j][k].
template <int depth, int down, int across, int Rows, int Columns, int LeftPitch, int RightPitch>
__device__ __forceinline__ void set_product_transposed(const float (*left)[LeftPitch],
                                                       const float (*right)[RightPitch],
                                                       int2 thread,
                                                       float (&result)[Rows][Columns]) {
  NALA_UNROLL
  for (int i = 0; i < Rows; ++i) {
    NALA_UNROLL
    for (int j = 0; j < Columns; ++j) {
      result[i][j] = 0;
    }
  }
  for (int k = 0; k < depth; k += 4) {
    Four a[Rows];
    NALA_UNROLL
    for (int i = 0; i < Rows; ++i) {
      a[i] = load_four(&left[thread.y + down * i][k]);
    }
    NALA_UNROLL
    for (int j = 0; j < Columns; ++j) {
      const Four b = load_four(&right[thread.x + across * j][k]);
      NALA_UNROLL
      for (int i = 0; i < Rows; ++i) {
        NALA_UNROLL
        for (int step = 0; step < 4; ++step) {
          result[i][j] = fmaf(a[i].at[step], b.at[step], result[i][j]);
        }
      }
    }
  }
}

}  // namespace nala::cuda
