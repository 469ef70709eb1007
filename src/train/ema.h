// The exponential moving average of a model's whole state.
#pragma once

#include <torch/nn/module.h>

#include "core/config.h"

namespace nala::train {

struct EmaConfig {
  bool enabled = true;
  double decay = 0.99996;
  double decay_per_images = 0;

  template <class V>
  static void fields(EmaConfig& c, V&& v) {
    v("enabled", c.enabled, "keep a moving average of the weights, evaluated beside them");
    v("decay", c.decay, "share of the old average kept per step", config::between(0, 1));
    v("decay_per_images", c.decay_per_images,
      "when above 0, the decay is decay^(global batch / this) (the recipe: 512)",
      config::at_least(0));
  }
};

/// Moves every entry of `average`'s state dict towards `model`'s: average = decay * average +
/// (1 - decay) * model, buffers included, the result cast back to the entry's dtype (integers are
/// truncated), as timm's ModelEma v1 does. Both modules have the same structure.
void update_ema(torch::nn::Module& average, const torch::nn::Module& model, double decay);

}  // namespace nala::train
