// What the kinds that run models share.
#pragma once

#include <torch/nn/module.h>

#include <memory>

#include "comparison.h"
#include "entry.h"
#include "models/model.h"

namespace nala::golden {

/// The attention settings of an entry or of its `config`.
models::AttentionConfig attention_config(const nlohmann::json& fields);

/// The model of a `config` object, its weights initial.
std::shared_ptr<models::Model> model_of(const nlohmann::json& config);

/// The size that the fixtures call XT, T, ...
models::ModelConfig variant_config(const std::string& variant);

/// A copy in channels-last memory that wants a gradient.
at::Tensor leaf_map(const at::Tensor& x);

/// The gradient of every parameter (`grad.*`) and, where the fixture has it, every buffer
/// (`after.*`).
void compare_parameters_and_buffers(Comparison& comparison, const torch::nn::Module& module);

}  // namespace nala::golden
