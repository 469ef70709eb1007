#include "models/attention.h"

#include <torch/torch.h>

#include "models/attention_form.h"
#include "models/norm_eps.h"
#include "ops/epilogue.h"
#include "ops/softmax_attention.h"

namespace nala::models {
namespace {

ops::LinearAttentionOptions operator_options(const AttentionOptions& options) {
  ops::LinearAttentionOptions formula = linear_formula(options.config);
  formula.implementation = options.implementation;
  return formula;
}

// (B, N, C) as (B, h, N, d).
at::Tensor per_head(const at::Tensor& tokens, int64_t heads) {
  return tokens.unflatten(-1, {heads, -1}).transpose(1, 2);
}

}  // namespace

AttentionImpl::AttentionImpl(AttentionOptions options)
    : options_(std::move(options)),
      operator_(operator_options(options_)),
      qkvg_(register_module("qkvg",
                            Linear(options_.dim, (options_.config.gate ? 4 : 3) * options_.dim))),
      pola_(!is_softmax() && options_.config.feature_map == AttentionMap::pola
                ? register_module(
                      "pola",
                      Pola(options_.heads, options_.dim / options_.heads, options_.implementation))
                : Pola(nullptr)),
      lepe_(options_.config.lepe ? register_module("lepe", Conv2d(depthwise(options_.dim, 5)))
                                 : Conv2d(nullptr)),
      out_proj_(register_module("out_proj", Linear(options_.dim, options_.dim))),
      ln_(register_module("ln", LayerNorm(options_.dim, kAttentionNormEps))) {}

bool AttentionImpl::is_softmax() const {
  return models::is_softmax(options_.kind, options_.config);
}

at::Tensor AttentionImpl::attend(const at::Tensor& q,
                                 const at::Tensor& k,
                                 const at::Tensor& v,
                                 const ops::Rotation& rotation) {
  const at::Tensor y = is_softmax() ? ops::softmax_attention(q, k, v, rotation.cos, rotation.sin)
                       : pola_
                           ? pola_(q, k, v, rotation)
                           : ops::linear_attention(q, k, v, rotation.cos, rotation.sin, operator_);
  return y.transpose(1, 2).flatten(2);  // (B, N, C), a view
}

at::Tensor AttentionImpl::forward(const at::Tensor& tokens,
                                  int64_t height,
                                  int64_t width,
                                  const ops::Rotation& rotation) {
  at::Tensor packed = qkvg_(tokens);  // (B, N, 4C)
  at::Tensor mixed;                   // (B, N, C)
  {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    if (packed.scalar_type() != at::kDouble) {
      packed = packed.to(at::kFloat);
    }
    // One unbind, not four slices: its gradient is written once.
    const auto parts = packed.unflatten(-1, {-1, options_.dim}).unbind(2);  // (B, N, C) each
    const at::Tensor q = per_head(parts[0], options_.heads);
    const at::Tensor k = per_head(parts[1], options_.heads);
    const at::Tensor v = per_head(parts[2], options_.heads);
    if (observer_) {
      observer_({.q = q, .k = k, .v = v, .height = height, .width = width, .rotation = rotation});
    }
    ops::Epilogue epilogue{.y = attend(q, k, v, rotation),
                           .weight = ln_->weight,
                           .bias = ln_->bias,
                           .eps = kAttentionNormEps};
    if (lepe_) {
      epilogue.lepe = tokens_of(lepe_(map_of(parts[2], height, width)));  // (B, N, C)
    }
    if (options_.config.gate) {
      epilogue.gate = parts[3];
    }
    mixed = ops::attention_epilogue(epilogue);
  }
  return out_proj_(mixed);
}

}  // namespace nala::models
