// Gradients that must not be differentiated again.
#pragma once

#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace nala::ops {

/// The gradients as they are where no graph of the backward is wanted; else detached, and such that
/// differentiating them throws an error naming `op`: a second derivative must fail, not be wrong.
std::vector<at::Tensor> once_differentiable(std::string_view op, std::vector<at::Tensor> gradients);

}  // namespace nala::ops
