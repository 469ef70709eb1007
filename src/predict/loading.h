// From a checkpoint to a network ready to run.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "models/model.h"
#include "train/weights.h"

namespace nala::predict {

/// `raw` or `ema`; by default ema where present. Throws Error(usage), Error(checkpoint) when they
/// are not there.
const io::NamedTensors& choose_weights(const train::Weights& weights, const std::string& choice);

/// The network with these weights, in evaluation mode, on the device. Throws Error(checkpoint)
/// listing every key that differs.
std::shared_ptr<models::Model> build_for_inference(const train::Recipe& recipe,
                                                   const io::NamedTensors& tensors,
                                                   const std::string& source,
                                                   at::Device device);

/// A network ready to run, with what its checkpoint says of it. Copies share the model, whose
/// forward() several threads may call at once.
struct Network {
  train::Recipe recipe;
  /// A name per class, its number where the checkpoint has none; empty for super-resolution.
  std::vector<std::string> classes;
  std::shared_ptr<models::Model> model;  ///< in evaluation mode
  at::Device device = at::kCPU;
};

/// The network of the chosen weights; see choose_weights() and build_for_inference().
Network build_network(const train::Weights& weights, const std::string& choice, at::Device device);

}  // namespace nala::predict
