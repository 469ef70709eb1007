// Initial weights.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>

namespace nala::models {

/// Fills every parameter: convolutions truncated normal of standard deviation 0.02 (cut at +-2)
/// with bias 0, LayerNorm and BatchNorm 1 and 0, linear layers uniform in +-1/sqrt(fan_in), weight
/// and bias; the convolutions of a head for segmentation as mmsegmentation's (models/layers.h,
/// ConvInit). LayerScale keeps the value that it was made with.
///
/// Each tensor is a pure function of (seed, its state dict name); the global generator is not used.
/// Source: the released code; linear layers keep PyTorch's default there.
void initialise(torch::nn::Module& model, uint64_t seed);

}  // namespace nala::models
