// The backbone: stem and four stages.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>

#include <array>

#include "models/config.h"
#include "models/forward_context.h"
#include "models/layers.h"

namespace nala::models {

/// Stem and stages, registered as `patch_embed` and `layers` of the model that has them: the state
/// dicts hold them at the root, beside the parts of the head.
class Backbone {
 public:
  Backbone(torch::nn::Module& owner, const ResolvedModel& model);

  /// The output of every stage before its downsampling: (B, C_i, H_i, W_i) channels-last, H_i the
  /// stem's ceil(H/4) halved i times, rounded up. images: (B, in_channels, H, W).
  std::array<at::Tensor, kStages> features(const at::Tensor& images, const ForwardContext& context);

 private:
  PatchEmbed patch_embed_;
  torch::nn::ModuleList layers_;
};

}  // namespace nala::models
