// The attention module around the operators: projections, local position encoding, norm and gate.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <string>
#include <utility>

#include "models/config.h"
#include "models/layers.h"
#include "models/pola.h"
#include "ops/linear_attention.h"
#include "ops/rope.h"

namespace nala::models {

struct AttentionOptions {
  int64_t dim = 0;
  int64_t heads = 1;
  BlockKind kind = BlockKind::linear;
  AttentionConfig config;
  std::string implementation = "auto";
};

/// What one call of an attention mixes, before the rotation.
struct AttentionInputs {
  at::Tensor q, k, v;  ///< (B, h, N, d) each, N = height * width
  int64_t height = 0, width = 0;
  ops::Rotation rotation;  ///< undefined for none
};
using AttentionObserver = std::function<void(const AttentionInputs&)>;

/// out_proj(LayerNorm(y + lepe) * SiLU(g)), where q, k, v, g = split(qkvg(x)), y is linear,
/// polarity-aware (models/pola.h) or softmax attention of q, k, v per head, and lepe a depthwise
/// 5x5 convolution of v.
///
/// Without the gate qkvg gives q, k, v alone; without lepe that term is left out. Between the two
/// projections everything is computed and kept in float32 (float64 for a float64 module), also
/// under autocast. Source: the released code; paper v1, figure 2.
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(AttentionOptions options);
  /// tokens: (B, H W, C); rotation: tables of H x W tokens, undefined for none. Gives tokens.
  at::Tensor forward(const at::Tensor& tokens,
                     int64_t height,
                     int64_t width,
                     const ops::Rotation& rotation);

  /// Every later forward() shows its inputs to `observer`; an empty one ends that. Not to be called
  /// while forward() runs.
  void observe(AttentionObserver observer) { observer_ = std::move(observer); }
  [[nodiscard]] const AttentionOptions& options() const { return options_; }
  /// Whether it is softmax attention, be it by its kind or by its feature map.
  [[nodiscard]] bool is_softmax() const;
  /// The formula where it is not; of pola the parameters alone.
  [[nodiscard]] const ops::LinearAttentionOptions& formula() const { return operator_; }

 private:
  at::Tensor attend(const at::Tensor& q,
                    const at::Tensor& k,
                    const at::Tensor& v,
                    const ops::Rotation& rotation);

  AttentionOptions options_;
  ops::LinearAttentionOptions operator_;
  Linear qkvg_;
  Pola pola_{nullptr};
  Conv2d lepe_{nullptr};
  Linear out_proj_;
  LayerNorm ln_;
  AttentionObserver observer_;
};
TORCH_MODULE(Attention);

}  // namespace nala::models
