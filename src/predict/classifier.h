// Pictures to classes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "predict/loading.h"

namespace nala::predict {

struct ClassScore {
  int64_t index = 0;
  std::string label;
  float probability = 0;  ///< 0 ... 1
};

/// The likeliest classes of every picture, the likeliest first, `top` of them or all there are.
/// images: (B, 3, H, W) float32, as data::prepare_for_eval() makes them. Gradients off.
/// Thread-safe.
std::vector<std::vector<ClassScore>> classify(const Network& network,
                                              const at::Tensor& images,
                                              int64_t top);

}  // namespace nala::predict
