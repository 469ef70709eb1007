// Stochastic depth, as a pure function of what it is applied to.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "models/forward_context.h"

namespace nala::models {

/// The two residual branches of a block.
enum class Branch : uint64_t { attention = 0, ffn = 1 };

struct DropPath {
  int64_t block = 0;  ///< counted over all stages
  double rate = 0;    ///< probability of dropping a branch, in [0, 1)
};

/// Per picture 0 with probability `rate`, else 1 / (1 - rate): (B, 1, 1), of x's dtype and device.
///
/// Picture i is keyed by (seed, step, positions[i], block, branch): the same whatever batch it
/// comes in. Throws c10::Error unless there is one position per picture of x (B, ...).
at::Tensor drop_path_factors(const DropPath& path,
                             Branch branch,
                             const ForwardContext& context,
                             const at::Tensor& x);

}  // namespace nala::models
