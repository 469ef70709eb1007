// Linear attention as a plain composition of ATen operators with ATen's own autograd: what a model
// written in Python runs, and what the implementations are timed against.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/implementations.h"

namespace nala::bench {

/// relu_split with norm awareness on (B, h, N, d), about 25 passes over memory.
at::Tensor eager_linear_attention(const ops::Problem& problem);

}  // namespace nala::bench
