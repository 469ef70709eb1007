// The face of every model, whatever its task.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "models/config.h"
#include "models/forward_context.h"
#include "models/task.h"

namespace nala::models {

struct Outputs {
  at::Tensor main;       ///< classification: logits (B, classes), float32 or as the parameters
  at::Tensor auxiliary;  ///< undefined unless the head has one
};

/// A model as the trainer and the evaluator see it. Concurrent forward() calls in evaluation mode
/// are safe.
class Model : public torch::nn::Module {
 public:
  /// images: (B, in_channels, H, W), floating, channels-last preferred; any H, W >= 1.
  virtual Outputs forward(const at::Tensor& images, const ForwardContext& context) = 0;
};

/// A model with initial weights, a pure function of (config, seed): the global generator is not
/// used. In training mode, on the CPU, float32. Throws Error(config) for impossible sizes,
/// `num_classes` 0, and tasks whose heads are not built yet.
std::shared_ptr<Model> build_model(const ModelConfig& config, Task task, uint64_t seed);

}  // namespace nala::models
