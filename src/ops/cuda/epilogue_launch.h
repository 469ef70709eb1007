// Launching the epilogue's kernels, LayerNorm(y + lepe) * SiLU(gate): plain structs and functions,
// for callers that see neither CUDA nor ATen. What is computed: ops/epilogue.h.
#pragma once

#include <cstdint>

#include "dtype.h"

namespace nala::cuda {

/// A (B, N, C) tensor: channels are neighbours, the other strides are multiples of 4 elements, and
/// the address is aligned to four elements. Null data: not given.
struct TokenRows {
  void* data = nullptr;
  Dtype dtype = Dtype::float32;
  int64_t image_stride = 0;
  int64_t token_stride = 0;
};

/// Shapes and inputs of both passes; B N below 2^31, C a multiple of 4, at most
/// kMostEpilogueChannels.
struct EpilogueInputs {
  int rows = 0;  ///< B N
  int tokens = 1;
  int channels = 4;
  TokenRows y, lepe, gate;
  const float* weight = nullptr;  ///< (C)
  const float* bias = nullptr;    ///< (C)
  float* mean = nullptr;          ///< (B N): written by the forward
  float* rstd = nullptr;          ///< (B N): likewise
};

/// So many channels' sums fit into the shared memory of every device.
constexpr int kMostEpilogueChannels = 3072;

struct EpilogueForward {
  EpilogueInputs in;
  float eps = 0;
  TokenRows out;
};

struct EpilogueBackward {
  EpilogueInputs in;
  TokenRows dout;
  TokenRows dx;     ///< of y, and of lepe
  TokenRows dgate;  ///< if there is a gate
  float* dweight = nullptr;
  float* dbias = nullptr;
  float* partial = nullptr;  ///< epilogue_workspace_floats()
};

int64_t epilogue_workspace_floats(const EpilogueInputs& in);

/// Enqueue on `stream` (a cudaStream_t); allocate nothing, wait for nothing, sum in a fixed order.
/// Throw std::runtime_error if a launch fails.
void launch_epilogue_forward(const EpilogueForward& arguments, const void* stream);
void launch_epilogue_backward(const EpilogueBackward& arguments, const void* stream);

}  // namespace nala::cuda
