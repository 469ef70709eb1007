// Launching the linear attention's kernels: plain structs and functions, for callers that see
// neither CUDA nor ATen. What is computed: ops/reference.h.
#pragma once

#include "attention_arguments.h"
#include "dtype.h"

namespace nala::cuda {

/// A plan that keeps a device busy: a function of the shape alone, so that the order of summation
/// is, too.
SplitPlan plan_splits(const AttentionShape& shape);

/// Floats of the workspaces below.
int64_t forward_workspace_floats(const AttentionCall& call);
int64_t backward_workspace_floats(const AttentionCall& call);

/// q, k, v: (B, h, N, d). Writes y (B, h, N, d), the state and `normaliser`, z (B h, N).
struct ForwardCall {
  AttentionCall call;
  Rows<const void> q, k, v;
  Rows<void> y;
  StateView state;
  float* normaliser = nullptr;
  float* workspace = nullptr;  ///< 16-byte aligned
  float eps = 0;
};

/// state and normaliser as the forward left them. Writes dq, dk, dv.
struct BackwardCall {
  AttentionCall call;
  Rows<const void> dy, q, k, v;
  StateView state;
  const float* normaliser = nullptr;
  float* workspace = nullptr;  ///< 16-byte aligned
  Rows<void> dq, dk, dv;
};

/// Enqueues on `stream` (a cudaStream_t); d at most 128. Allocates nothing, waits for nothing, so
/// that a graph can capture it; every sum has a fixed order. Throws std::runtime_error if a launch
/// fails.
template <Dtype dtype>
void launch_forward(const ForwardCall& call, const void* stream);
template <Dtype dtype>
void launch_backward(const BackwardCall& call, const void* stream);

}  // namespace nala::cuda
