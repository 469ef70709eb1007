#include "model_loading.h"

#include <algorithm>

#include "core/error.h"
#include "io/state_dict.h"

namespace nala::tools {

train::Weights load_checkpoint(const CommandLine& line, const std::string& checkpoint) {
  if (checkpoint.empty()) {
    throw Error(ErrorKind::usage, "--checkpoint is needed: a run folder, .safetensors or .pth");
  }
  const bool states_model =
      std::any_of(line.overrides().begin(), line.overrides().end(),
                  [](const std::string& text) { return text.starts_with("model."); });
  return train::load_weights(
      checkpoint, states_model ? std::optional(line.recipe(std::nullopt).model) : std::nullopt);
}

const io::NamedTensors& choose_weights(const train::Weights& weights, const std::string& choice) {
  if (choice != "raw" && choice != "ema" && !choice.empty()) {
    throw Error(ErrorKind::usage, "--weights: expected raw or ema, found " + choice);
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

std::string class_name(const train::Weights& weights, int64_t index) {
  const auto position = static_cast<size_t>(index);
  return position < weights.classes.size() ? weights.classes[position] : std::to_string(index);
}

}  // namespace nala::tools
