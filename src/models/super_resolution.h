// The super-resolution network.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include "models/block.h"
#include "models/layers.h"
#include "models/model.h"
#include "models/stage.h"

namespace nala::models {

/// Blocks, a 3x3 convolution, and a shortcut around both.
class BlockGroupImpl : public torch::nn::Module {
 public:
  /// Group `index` of the model.
  BlockGroupImpl(const ResolvedModel& model, size_t index);

  /// map: (B, C, H, W) channels-last; same shape.
  at::Tensor forward(const at::Tensor& map,
                     const ops::Rotation& rotation,
                     const ForwardContext& context);

 private:
  torch::nn::ModuleList blocks_;
  Conv2d conv_;
};
TORCH_MODULE(BlockGroup);

/// Features at the picture's own resolution, then pixels `scale` times denser:
///
///   f = conv_first(x - 1/2);  f = f + conv_body(groups(f));  y = bicubic(x) + reconstruction(f)
///
/// The groups are NaLaFormer blocks, without any BatchNorm; `bicubic` enlarges with a = -1/2 (as
/// MATLAB's imresize does), so that the network learns what bicubic leaves out. One rotary table
/// serves all blocks. Structure: EDSR (Lim et al. 2017), SwinIR (Liang et al. 2021).
class SuperResolver : public Model {
 public:
  explicit SuperResolver(const ResolvedModel& model);

  /// images: (B, C, H, W), values in 0 ... 1. `main`: (B, C, s H, s W), not clamped.
  Outputs forward(const at::Tensor& images, const ForwardContext& context) override;

  /// What forward() adds up at the end: of features (B, C, H, W), and of the images themselves.
  at::Tensor reconstruct(const at::Tensor& features);
  [[nodiscard]] at::Tensor bicubic(const at::Tensor& images) const;

 private:
  SuperResolutionSizes sizes_;
  Conv2d conv_first_;
  Rope rope_{nullptr};
  torch::nn::ModuleList groups_;
  Conv2d conv_body_;
  Conv2d conv_before_{nullptr};  // of a deep reconstruction
  torch::nn::ModuleList upsample_;
  Conv2d conv_last_{nullptr};  // of a deep reconstruction
};

}  // namespace nala::models
