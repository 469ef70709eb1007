// Depthwise convolution of a channels-last map, with the residual in the same pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/export.h"

namespace nala::ops {

/// One call of the operator. Shapes: map (B, C, H, W), weight (C, 1, k, k) with k odd, bias (C).
struct Depthwise {
  at::Tensor map, weight, bias;
  bool residual = false;  ///< the map is added to the result
};

/// conv2d(map, weight) + bias (+ map), stride 1, padded with zeros by k / 2: (B, C, H, W),
/// channels-last, with gradients for all three.
///
/// On the CPU float32 with k of 3 or 5 goes through vectorised kernels, which read any map with
/// adjacent channels in place, whatever autocast says; double backward is refused with a message.
/// Their sums do not depend on the number of threads. Everything else goes through ATen.
/// Thread-safe.
NALA_OPS_API at::Tensor depthwise(const Depthwise& call);

}  // namespace nala::ops
