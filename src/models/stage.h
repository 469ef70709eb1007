// One stage: its rotary frequencies, its blocks, and the way down to the next stage.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "models/block.h"
#include "models/config.h"
#include "models/layers.h"

namespace nala::models {

/// Holds the buffer `angle` of a stage, which checkpoints store.
class RopeImpl : public torch::nn::Module {
 public:
  explicit RopeImpl(int64_t head_dim);
  /// Tables of height x width tokens; cheap, so made anew by every forward.
  ops::Rotation tables(int64_t height, int64_t width) const;

 private:
  at::Tensor angle_;  // (d/2)
};
TORCH_MODULE(Rope);

class StageImpl : public torch::nn::Module {
 public:
  /// Stage `index` (0 ... 3) of the model; the last has no downsampling.
  StageImpl(const ResolvedModel& model, int index);

  /// map: (B, C, H, W) channels-last; the blocks alone, same shape.
  at::Tensor forward(const at::Tensor& map, const ForwardContext& context);
  /// What forward() depends on beside the map.
  [[nodiscard]] std::vector<at::Tensor> block_parameters() const { return blocks_->parameters(); }
  /// (B, C', ceil(H/2), ceil(W/2)) of the next stage; the last stage returns the map.
  at::Tensor downsample(const at::Tensor& map);

 private:
  Rope rope_{nullptr};
  torch::nn::ModuleList blocks_;
  Downsample downsample_{nullptr};
};
TORCH_MODULE(Stage);

}  // namespace nala::models
