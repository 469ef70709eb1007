// Adds up the parts of a sum in a fixed order: what takes the place of atomics.
//
// A part is a matrix of `columns` columns, its rows `pitch` floats apart. The result's rows are of
// two kinds. The first kind stands in runs: `run` rows, then as many unused ones as make up
// `run_pitch`. The second kind follows one another from row `second_row` on.
#pragma once

#include "portable.cuh"

namespace nala::cuda {

struct CombineArguments {
  const float* partial = nullptr;  ///< (items, parts, part_floats)
  int64_t part_floats = 0;
  int parts = 1;
  int columns = 1;
  int pitch = 1;
  int first_rows = 0;
  int run = 1;
  int run_pitch = 1;
  int second_rows = 0;
  int second_row = 0;
  float* first = nullptr;   ///< (items, first_rows, columns)
  float* second = nullptr;  ///< (items, second_rows, columns)
  float scale = 1;
  int blocks_per_item = 1;
};

constexpr int kCombineThreads = 256;
constexpr int kCombineElements = 32;  // of a block; its warps share the parts
constexpr int kCombineWarps = kCombineThreads / kCombineElements;

struct CombineShared {
  float sums[kCombineWarps][kCombineElements];
};

inline int combine_blocks_per_item(const CombineArguments& a) {
  const int elements = (a.first_rows + a.second_rows) * a.columns;
  return (elements + kCombineElements - 1) / kCombineElements;
}

static __global__ void __launch_bounds__(kCombineThreads) combine_kernel(CombineArguments a) {
  NALA_SHARED(CombineShared, shared);
  const int warp = static_cast<int>(threadIdx.x) / kCombineElements;
  const int lane = static_cast<int>(threadIdx.x) % kCombineElements;
  const int64_t item = blockIdx.x / static_cast<unsigned>(a.blocks_per_item);
  const int element =
      static_cast<int>(blockIdx.x % static_cast<unsigned>(a.blocks_per_item)) * kCombineElements +
      lane;
  const int row = element / a.columns;
  const int column = element % a.columns;
  const bool first = row < a.first_rows;
  const bool present = row < a.first_rows + a.second_rows;
  const int source_row =
      first ? row / a.run * a.run_pitch + row % a.run : a.second_row + row - a.first_rows;
  float sum = 0;
  if (present) {
    const float* const source = a.partial + item * a.parts * a.part_floats +
                                static_cast<int64_t>(source_row) * a.pitch + column;
    for (int part = warp; part < a.parts; part += kCombineWarps) {
      sum += source[part * a.part_floats];
    }
  }
  shared.sums[warp][lane] = sum;
  __syncthreads();
  if (warp == 0 && present) {
    float total = 0;
    for (int i = 0; i < kCombineWarps; ++i) {
      total += shared.sums[i][lane];
    }
    float* const to = first ? a.first + (item * a.first_rows + row) * a.columns
                            : a.second + (item * a.second_rows + row - a.first_rows) * a.columns;
    to[column] = total * a.scale;
  }
}

}  // namespace nala::cuda
