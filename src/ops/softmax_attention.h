// Softmax attention with the same rotation, as the later stages use it.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/export.h"

namespace nala::ops {

/// softmax(R(q) R(k)^T / sqrt(d)) v, (B, h, N, d), differentiable (once and twice).
///
/// q, k, v: (B, h, N, d) of one floating dtype, d a multiple of 4; cos, sin: (N, d), both undefined
/// for no rotation. Computed in float32 (float64 for float64), returned in q's dtype with memory
/// order (B, N, h, d). Throws c10::Error for other shapes. Thread-safe.
NALA_OPS_API at::Tensor softmax_attention(const at::Tensor& q,
                                          const at::Tensor& k,
                                          const at::Tensor& v,
                                          const at::Tensor& cos,
                                          const at::Tensor& sin);

}  // namespace nala::ops
