// The layer between kernels and their compiler: nvcc for the device, or a C++ compiler that runs
// them on the host in the tests (tests/cuda_host/shim).
//
// What keeps a kernel testable there: it takes one struct by value; shared memory is one struct of
// arrays, indexed; blocks are a multiple of 32 threads; no thread returns before the last barrier;
// shuffles name all lanes and stand where a whole warp comes by; 16-bit floats are converted by
// named functions only.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#define NALA_UNROLL _Pragma("unroll")
#define NALA_SHARED_FLOATS(name) extern __shared__ __align__(16) float name[]
#define NALA_SHARED(Type, name)           \
  NALA_SHARED_FLOATS(nala_shared_floats); \
  Type& name = *reinterpret_cast<Type*>(nala_shared_floats)
#else
#include "shim/device.h"

#define NALA_UNROLL
#define NALA_SHARED_FLOATS(name) \
  float* const name = static_cast<float*>(shim::current_block()->shared_memory(0))
#define NALA_SHARED(Type, name) \
  Type& name = *static_cast<Type*>(shim::current_block()->shared_memory(sizeof(Type)))
#endif

namespace nala::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;

struct LaunchShape {
  unsigned blocks = 1;
  unsigned threads = 32;
  size_t shared_bytes = 0;
};

#if defined(__CUDACC__)
using Stream = cudaStream_t;

/// Launches `kernel` with one parameter. Throws std::runtime_error with CUDA's reason. Capturable
/// in a graph: sets an attribute of the kernel, enqueues, nothing else.
template <class Parameter>
void launch(void (*kernel)(Parameter),
            const LaunchShape& shape,
            Stream stream,
            const Parameter& parameter) {
  constexpr size_t kAlwaysAllowed = 48 * 1024;
  cudaError_t status = cudaSuccess;
  if (shape.shared_bytes > kAlwaysAllowed) {
    status = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(shape.shared_bytes));
  }
  if (status == cudaSuccess) {
    kernel<<<shape.blocks, shape.threads, shape.shared_bytes, stream>>>(parameter);
    status = cudaGetLastError();
  }
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string("kernel launch: ") + cudaGetErrorString(status));
  }
}
#else
using Stream = const void*;

template <class Parameter>
void launch(void (*kernel)(Parameter),
            const LaunchShape& shape,
            Stream,
            const Parameter& parameter) {
  shim::launch(kernel, {shape.blocks, shape.threads, shape.shared_bytes}, parameter);
}
#endif

}  // namespace nala::cuda
