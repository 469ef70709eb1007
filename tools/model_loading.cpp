#include "model_loading.h"

#include <algorithm>

#include "core/error.h"
#include "data/datasets/segmentation_classes.h"

namespace nala::tools {
namespace {

bool any_starts_with(const std::vector<std::string>& texts, std::string_view start) {
  return std::ranges::any_of(texts,
                             [&](const std::string& text) { return text.starts_with(start); });
}

void check_prediction_keys(const CommandLine& line) {
  for (const std::string& assignment : line.overrides()) {
    if (!assignment.starts_with("data.") && !assignment.starts_with("ops.") &&
        !assignment.starts_with("model.")) {
      throw Error(ErrorKind::usage,
                  "predict: " + assignment +
                      ": changes nothing here; expected keys of data or ops (how pictures are "
                      "seen) or, for a file that does not name its network, of model");
    }
  }
}

void name_classes(train::Weights& weights) {
  data::DataConfig& config = weights.recipe.data;
  const auto classes = data::SegmentationClasses::read(config.class_list.value,
                                                       config.segmentation.reduce_zero_label);
  if (std::ssize(classes.names) != weights.recipe.model.num_classes) {
    throw Error(ErrorKind::data, config.class_list.value + ": " +
                                     std::to_string(classes.names.size()) + " classes, but " +
                                     weights.source + " has " +
                                     std::to_string(weights.recipe.model.num_classes));
  }
  weights.classes = classes.names;
  config.segmentation.palette.clear();
  for (const data::Rgb& colour : classes.colours) {
    config.segmentation.palette.insert(config.segmentation.palette.end(), colour.begin(),
                                       colour.end());
  }
}

}  // namespace

train::Weights load_checkpoint(const CommandLine& line, const std::string& checkpoint) {
  if (checkpoint.empty()) {
    throw Error(ErrorKind::usage, "--checkpoint is needed: a run folder, .safetensors or .pth");
  }
  const bool states_model = any_starts_with(line.overrides(), "model.");
  return train::load_weights(
      checkpoint, states_model ? std::optional(line.recipe(std::nullopt).model) : std::nullopt);
}

train::Weights load_for_prediction(const CommandLine& line) {
  check_prediction_keys(line);
  train::Weights weights = load_checkpoint(line, line.text("checkpoint"));
  const models::ModelConfig model = weights.recipe.model;
  weights.recipe = line.recipe(std::nullopt, config::write(weights.recipe));
  weights.recipe.model = model;
  if (weights.recipe.task == models::Task::segmentation &&
      any_starts_with(line.overrides(), "data.class_list=")) {
    name_classes(weights);
  }
  return weights;
}

}  // namespace nala::tools
