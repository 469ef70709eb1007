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
  bool fused = false;  ///< whether `model` is the fused form
};

/// How a network is run: as it is trained, or in its fused form (inference/fuse.h).
enum class Form { plain, fused, fused_where_possible };

/// The network of the chosen weights; see choose_weights() and build_for_inference(). Throws
/// Error(usage) for a form that the network, the device or the processor does not have.
Network build_network(const train::Weights& weights,
                      const std::string& choice,
                      at::Device device,
                      Form form = Form::fused_where_possible);

}  // namespace nala::predict
