// UperNet (Xiao et al. 2018, "Unified Perceptual Parsing") as mmsegmentation's UPerHead.
#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include <vector>

#include "models/heads/segmentation_parts.h"

namespace nala::models {

struct UperHeadOptions {
  std::array<int64_t, kStages> in{};
  std::vector<int64_t> pool_scales;
  PixelClassifier::Options classifier;
};

/// Pyramid pooling of the last map, a feature pyramid with bilinear enlargement, its four maps side
/// by side at the size of the first, 3x3 convolution, classifier. Names: `conv_seg`,
/// `psp_modules.i.1` (its 0 is the pooling), `bottleneck`, `lateral_convs.i`, `fpn_convs.i`,
/// `fpn_bottleneck`.
class UperHeadImpl : public torch::nn::Module {
 public:
  explicit UperHeadImpl(const UperHeadOptions& options);
  /// Gives logits (B, classes, H_0, W_0).
  at::Tensor forward(const FeatureMaps& maps, const ForwardContext& context);

 private:
  at::Tensor pooled(const at::Tensor& map);

  PixelClassifier classifier_;
  torch::nn::ModuleList psp_modules_;
  HeadConv bottleneck_;
  torch::nn::ModuleList lateral_convs_;
  torch::nn::ModuleList fpn_convs_;
  HeadConv fpn_bottleneck_;
};
TORCH_MODULE(UperHead);

}  // namespace nala::models
