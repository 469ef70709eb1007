#include "predict/loading.h"

#include "core/error.h"
#include "inference/fuse.h"
#include "io/state_dict.h"

namespace nala::predict {
namespace {

std::vector<std::string> class_names(const train::Weights& weights) {
  std::vector<std::string> names;
  if (weights.recipe.task == models::Task::super_resolution) {
    return names;
  }
  for (int64_t index = 0; index < weights.recipe.model.num_classes; ++index) {
    const auto position = static_cast<size_t>(index);
    names.push_back(position < weights.classes.size() ? weights.classes[position]
                                                      : std::to_string(index));
  }
  return names;
}

}  // namespace

const io::NamedTensors& choose_weights(const train::Weights& weights, const std::string& choice) {
  if (choice != "raw" && choice != "ema" && !choice.empty()) {
    throw Error(ErrorKind::usage, "weights: expected raw or ema, found " + choice);
  }
  const bool ema = choice == "ema" || (choice.empty() && !weights.ema.empty());
  const io::NamedTensors& chosen = ema ? weights.ema : weights.raw;
  if (chosen.empty()) {
    throw Error(ErrorKind::checkpoint,
                weights.source + ": holds no " + (ema ? "averaged (ema)" : "raw") + " weights");
  }
  return chosen;
}

std::shared_ptr<models::Model> build_for_inference(const train::Recipe& recipe,
                                                   const io::NamedTensors& tensors,
                                                   const std::string& source,
                                                   at::Device device) {
  models::ModelConfig settings = recipe.model;
  settings.implementation = recipe.ops.implementation;
  auto model = models::build_model(settings, recipe.task, 0);
  io::load_state_dict_strictly(*model, tensors, source);
  model->to(device);
  model->eval();
  return model;
}

Network build_network(const train::Weights& weights,
                      const std::string& choice,
                      at::Device device,
                      Form form) {
  Network network{.recipe = weights.recipe,
                  .classes = class_names(weights),
                  .model = build_for_inference(weights.recipe, choose_weights(weights, choice),
                                               weights.source, device),
                  .device = device};
  const models::ModelConfig& config = weights.recipe.model;
  const bool fused =
      form == Form::fused || (form == Form::fused_where_possible &&
                              inference::refuses(*network.model, models::resolve(config)).empty());
  if (fused) {
    network.model = inference::fused(network.model, config, ops::cpu::Precision::float32);
    network.fused = true;
  }
  return network;
}

}  // namespace nala::predict
