#include "models/block.h"

#include <torch/torch.h>

namespace nala::models {
namespace {

// tokens + factor * gamma * branch, all (B, N, C).
at::Tensor residual(const at::Tensor& tokens,
                    const at::Tensor& branch,
                    const at::Tensor& gamma,
                    const at::Tensor& factor) {
  at::Tensor scale = gamma.defined() ? gamma.flatten() : factor;  // (C) or (B, 1, 1)
  if (gamma.defined() && factor.defined()) {
    scale = scale * factor;  // (B, 1, C)
  }
  return scale.defined() ? at::addcmul(tokens, branch, scale) : tokens + branch;
}

}  // namespace

BlockImpl::BlockImpl(const BlockOptions& options)
    : drop_path_(options.drop_path),
      gamma_1_(register_gamma("gamma_1", options)),
      gamma_2_(register_gamma("gamma_2", options)),
      norm1_(register_module("norm1", LayerNorm2d(options.attention.dim))),
      attn_(register_module("attn", Attention(options.attention))),
      norm2_(register_module("norm2", LayerNorm2d(options.attention.dim))),
      ffn_(register_module("ffn", Ffn(options.attention.dim, options.ffn_dim))),
      cpe1_(register_module("cpe1", Conv2d(depthwise(options.attention.dim, 3)))),
      cpe2_(register_module("cpe2", Conv2d(depthwise(options.attention.dim, 3)))) {}

at::Tensor BlockImpl::register_gamma(const char* name, const BlockOptions& options) {
  if (!options.layer_scale) {
    return {};
  }
  return register_parameter(name,
                            torch::full({1, options.attention.dim, 1, 1}, *options.layer_scale));
}

at::Tensor BlockImpl::forward(const at::Tensor& map,
                              const ops::Rotation& rotation,
                              const ForwardContext& context) {
  BranchFactors factors;
  if (is_training() && drop_path_.rate > 0) {
    factors = {drop_path_factors(drop_path_, Branch::attention, context, map),
               drop_path_factors(drop_path_, Branch::ffn, context, map)};
  }
  return forward_scaled(map, rotation, factors);
}

at::Tensor BlockImpl::forward_scaled(const at::Tensor& map,
                                     const ops::Rotation& rotation,
                                     const BranchFactors& factors) {
  const int64_t height = map.size(2);
  const int64_t width = map.size(3);
  at::Tensor x = cpe1_->forward_residual(map);  // (B, C, H, W)
  x = map_of(residual(tokens_of(x), attn_(norm1_(x), height, width, rotation), gamma_1_,
                      factors.attention),
             height, width);
  x = cpe2_->forward_residual(x);
  x = map_of(residual(tokens_of(x), ffn_(norm2_(x), height, width), gamma_2_, factors.ffn), height,
             width);
  if (observer_) {
    observer_(x);
  }
  return x;
}

}  // namespace nala::models
