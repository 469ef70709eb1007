// Linear layers.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/export.h"

namespace nala::ops {

/// x W^T + b over the last dimension: x (..., in), weight (out, in), bias (out) gives (..., out).
///
/// Of float32 tensors on the CPU, outside of autocast, the result and the gradient of x come from
/// oneDNN's 1x1 convolution and the bias's gradient from a vectorised sum, which does not depend on
/// the number of threads; double backward is refused with a message. Everything else is at::linear.
/// Thread-safe.
NALA_OPS_API at::Tensor linear(const at::Tensor& x,
                               const at::Tensor& weight,
                               const at::Tensor& bias);

}  // namespace nala::ops
