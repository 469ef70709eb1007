// A step of a whole network on pictures of noise: what bench model and bench train repeat.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "train/recipe.h"

namespace nala::tools {

struct StepSetting {
  int64_t batch = 1;
  at::ScalarType dtype = at::kFloat;  ///< half precision by autocast
  bool fused = false;                 ///< inference: the fused form
};

/// Forward in evaluation mode, without gradients. Everything it needs lives in the function.
/// Throws Error(usage) where the network cannot be fused.
std::function<void()> inference_step(const train::Recipe& recipe,
                                     const StepSetting& setting,
                                     at::Device device);

/// Forward, loss, backward and update with the recipe's optimizer; labels drawn once. Has run once:
/// moments are made by the first step.
std::function<void()> training_step(const train::Recipe& recipe,
                                    const StepSetting& setting,
                                    at::Device device);

}  // namespace nala::tools
