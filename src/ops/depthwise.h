// Depthwise convolution of a channels-last map, with GELU before it and the residual in the same
// pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/export.h"

namespace nala::ops {

/// One call of the operator. Shapes: map (B, C, H, W), weight (C, 1, k, k) with k odd, bias (C).
struct Depthwise {
  at::Tensor map, weight, bias;
  bool residual = false;  ///< what is convolved is added to the result
  bool gelu = false;      ///< GELU(map) is convolved, not the map
};

/// conv2d(x, weight) + bias (+ x), x the map or its GELU, stride 1, padded with zeros by k / 2:
/// (B, C, H, W), channels-last, with gradients for all three. Of the activations it keeps the map
/// alone for the backward pass.
///
/// On the CPU maps of float32 and bfloat16 with float32 parameters and k of 3 or 5 go through
/// vectorised kernels, which compute in float32 and give the map's dtype whatever autocast says;
/// double backward is refused with a message. Their sums do not depend on the number of threads.
/// Everything else goes through ATen. Thread-safe.
NALA_OPS_API at::Tensor depthwise(const Depthwise& call);

}  // namespace nala::ops
