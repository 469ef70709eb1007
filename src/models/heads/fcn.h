// The auxiliary head: mmsegmentation's FCNHead with one convolution.
#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include "models/heads/segmentation_parts.h"

namespace nala::models {

struct FcnHeadOptions {
  int64_t in = 0;
  PixelClassifier::Options classifier;
};

/// One 3x3 convolution with BatchNorm and ReLU, then the classifier. Names: `conv_seg`, `convs.0`.
class FcnHeadImpl : public torch::nn::Module {
 public:
  explicit FcnHeadImpl(const FcnHeadOptions& options);
  /// map: (B, C, H, W). Gives logits (B, classes, H, W).
  at::Tensor forward(const at::Tensor& map, const ForwardContext& context);

 private:
  PixelClassifier classifier_;
  torch::nn::ModuleList convs_;
};
TORCH_MODULE(FcnHead);

}  // namespace nala::models
