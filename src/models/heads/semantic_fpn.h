// Semantic FPN (Kirillov et al. 2019, "Panoptic Feature Pyramid Networks") as mmsegmentation has
// it: the neck FPN and the head FPNHead.
#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include "models/heads/segmentation_parts.h"

namespace nala::models {

/// Four maps to four of one width: 1x1 convolutions, each sum with the coarser map enlarged by
/// nearest neighbours, 3x3 convolutions; no norm, no activation. Names: `lateral_convs.i.conv`,
/// `fpn_convs.i.conv`.
class FpnNeckImpl : public torch::nn::Module {
 public:
  FpnNeckImpl(const std::array<int64_t, kStages>& in, int64_t channels);
  FeatureMaps forward(const FeatureMaps& maps);

 private:
  torch::nn::ModuleList lateral_convs_;
  torch::nn::ModuleList fpn_convs_;
};
TORCH_MODULE(FpnNeck);

struct FpnHeadOptions {
  int64_t in = 0;
  PixelClassifier::Options classifier;
};

/// Every map through 3x3 convolutions with BatchNorm and ReLU, each followed by a bilinear
/// enlargement by 2, up to the size of the first; their sum is classified. Names: `conv_seg`,
/// `scale_heads.i.j`, where the odd j are the enlargements.
class FpnHeadImpl : public torch::nn::Module {
 public:
  explicit FpnHeadImpl(const FpnHeadOptions& options);
  /// Gives logits (B, classes, H_0, W_0).
  at::Tensor forward(const FeatureMaps& maps, const ForwardContext& context);

 private:
  PixelClassifier classifier_;
  torch::nn::ModuleList scale_heads_;
};
TORCH_MODULE(FpnHead);

}  // namespace nala::models
