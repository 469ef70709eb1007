// From --checkpoint to a network ready to run.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "command_line.h"
#include "models/model.h"
#include "train/weights.h"

namespace nala::tools {

/// The weights that --checkpoint names (and, for bare files, the model that `model.*` overrides
/// state). Throws Error(usage | checkpoint | config).
train::Weights load_checkpoint(const CommandLine& line, const std::string& checkpoint);

/// `raw` or `ema`; by default ema where present. Throws Error(checkpoint) when they are not there.
const io::NamedTensors& choose_weights(const train::Weights& weights, const std::string& choice);

/// The network with these weights, in evaluation mode, on the device. Throws Error(checkpoint)
/// listing every key that differs.
std::shared_ptr<models::Model> build_for_inference(const train::Recipe& recipe,
                                                   const io::NamedTensors& tensors,
                                                   const std::string& source,
                                                   at::Device device);

/// The class's name, or its number where the checkpoint has no names.
std::string class_name(const train::Weights& weights, int64_t index);

}  // namespace nala::tools
