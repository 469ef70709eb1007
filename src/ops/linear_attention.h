// The linear attention operator: argument checks, choice of the implementation, gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

#include "ops/export.h"
#include "ops/feature_maps.h"
#include "ops/implementations.h"

namespace nala::ops {

struct LinearAttentionOptions {
  FeatureMap map = FeatureMap::relu_split;
  bool norm_aware = true;
  double lambd = 3;
  double tau = 0.5;
  double alpha = 20;
  double eps = 1e-6;
  std::string implementation = "auto";  ///< a name of ops/implementations.h
};

/// Linear attention as ops/reference.h defines it, by the chosen implementation, with gradients for
/// q, k and v (not for cos and sin; double backward is refused with a message).
///
/// q, k, v: (B, h, N, d) of one floating dtype and device, N >= 1, d a multiple of 4, any strides.
/// cos, sin: (N, d) floating, both undefined for no rotation. Returns (B, h, N, d) of q's dtype,
/// memory order (B, N, h, d). Throws c10::Error naming the argument. Thread-safe.
NALA_OPS_API at::Tensor linear_attention(const at::Tensor& q,
                                         const at::Tensor& k,
                                         const at::Tensor& v,
                                         const at::Tensor& cos,
                                         const at::Tensor& sin,
                                         const LinearAttentionOptions& options = {});

/// The same for a problem, not yet checked.
NALA_OPS_API at::Tensor linear_attention(const Problem& problem, std::string_view implementation);

}  // namespace nala::ops
