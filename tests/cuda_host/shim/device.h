// What CUDA offers inside a kernel, on the host: included by src/ops/cuda/portable.cuh in place of
// the toolkit's headers.
#pragma once

#include <algorithm>
#include <cmath>

#include "shim/launch.h"
#include "shim/types.h"
#include "shim/warp.h"

#define threadIdx (dim3{shim::current_block()->current().index, 0, 0})
#define blockIdx (dim3{shim::current_block()->index(), 0, 0})

using std::isinf;
using std::min;

// The default arguments are evaluated where the kernel calls: they name its line.
inline void __syncthreads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  shim::current_block()->barrier({"__syncthreads()", file, line});
}

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  shim::sync_warp({"__syncwarp()", file, line}, mask);
}

template <class T>
T __shfl_xor_sync(unsigned mask,
                  T value,
                  int lane_mask,
                  const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  const unsigned source = shim::lane_index() ^ static_cast<unsigned>(lane_mask);
  return shim::shuffle(shim::Place{"__shfl_xor_sync()", file, line}, mask, value, source);
}
