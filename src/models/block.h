// One block: two positional convolutions, attention, feed-forward network.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <optional>
#include <utility>

#include "models/attention.h"
#include "models/drop_path.h"
#include "models/layers.h"

namespace nala::models {

struct BlockOptions {
  AttentionOptions attention;
  int64_t ffn_dim = 0;
  std::optional<double> layer_scale;  ///< initial value; none: no LayerScale
  DropPath drop_path;
};

/// Per picture (B, 1, 1) what multiplies the two residual branches; undefined: 1.
struct BranchFactors {
  at::Tensor attention, ffn;
};

///   x = x + DWConv3x3(x);  x = x + DropPath(gamma_1 * Attention(LayerNorm2d(x)))
///   x = x + DWConv3x3(x);  x = x + DropPath(gamma_2 * FFN(LayerNorm2d(x)))
class BlockImpl : public torch::nn::Module {
 public:
  explicit BlockImpl(const BlockOptions& options);

  /// map: (B, C, H, W) channels-last, and so is the result. In training mode drop path is drawn
  /// from the context.
  at::Tensor forward(const at::Tensor& map,
                     const ops::Rotation& rotation,
                     const ForwardContext& context);
  /// The same with the factors given.
  at::Tensor forward_scaled(const at::Tensor& map,
                            const ops::Rotation& rotation,
                            const BranchFactors& factors);

  /// Every later forward shows its result, (B, C, H, W), to `observer`; an empty one ends that. Not
  /// to be called while a forward runs.
  void observe(std::function<void(const at::Tensor& map)> observer) {
    observer_ = std::move(observer);
  }

 private:
  at::Tensor register_gamma(const char* name, const BlockOptions& options);

  DropPath drop_path_;
  at::Tensor gamma_1_;  // (1, C, 1, 1), undefined without LayerScale
  at::Tensor gamma_2_;
  LayerNorm2d norm1_;
  Attention attn_;
  LayerNorm2d norm2_;
  Ffn ffn_;
  Conv2d cpe1_;
  Conv2d cpe2_;
  std::function<void(const at::Tensor&)> observer_;
};
TORCH_MODULE(Block);

}  // namespace nala::models
