// A model small enough for tests, and pictures for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "models/model.h"

namespace nala::models {

/// Four stages of one or two blocks, both kinds, 5 classes.
ModelConfig small_config();

std::shared_ptr<Model> small_model(uint64_t seed = 1, const ModelConfig& config = small_config());

/// (B, 3, H, W), channels-last, values in (-1, 1) that differ in every element.
at::Tensor pictures(int64_t batch, int64_t height, int64_t width);

}  // namespace nala::models
