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
  /// Classification: logits (B, classes). Segmentation: logits (B, classes, H/4, W/4), rounded up.
  /// Super-resolution: pictures (B, C, s H, s W). Float32 or as the parameters.
  at::Tensor main;
  at::Tensor auxiliary;  ///< of the auxiliary head while it trains, else undefined
};

/// A model as the trainer and the evaluator see it. Concurrent forward() calls in evaluation mode
/// are safe.
class Model : public torch::nn::Module {
 public:
  /// images: (B, in_channels, H, W), floating, channels-last preferred; any H, W >= 1.
  virtual Outputs forward(const at::Tensor& images, const ForwardContext& context) = 0;

  /// The main output of forward() without a context, as evaluation wants it.
  at::Tensor operator()(const at::Tensor& images) { return forward(images, {}).main; }
};

/// A model with initial weights, a pure function of (config, seed): the global generator is not
/// used. In training mode, on the CPU, float32. Throws Error(config) for impossible sizes
/// and for `num_classes` 0 where the task has classes.
std::shared_ptr<Model> build_model(const ModelConfig& config, Task task, uint64_t seed);

}  // namespace nala::models
