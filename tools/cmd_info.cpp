#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "model_loading.h"
#include "models/describe.h"
#include "models/zoo.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kDefaultClasses = 1000;

template <class E>
std::string names(E) {
  std::string text;
  for (const std::string_view name : names_of(E{})) {
    text.append(text.empty() ? "" : " ").append(name);
  }
  return text;
}

int list() {
  std::printf("%-18s %12s %16s  %s\n", "model", "parameters", "multiply-adds",
              "(1000 classes, 224x224)");
  for (const models::ZooRow& row : models::zoo()) {
    const auto model = models::resolve({.name = row.model, .num_classes = kDefaultClasses});
    const auto description = models::describe(model, models::Task::classification, 224, 224);
    std::printf("%-18s %12jd %16jd\n", model.name.c_str(),
                static_cast<intmax_t>(description.parameters()),
                static_cast<intmax_t>(description.multiply_adds()));
  }
  std::printf("\ntasks: %s\nsegmentation heads: %s\nfeature maps: %s\n",
              names(models::Task{}).c_str(), names(models::SegmentationHead{}).c_str(),
              names(models::AttentionMap{}).c_str());
  return 0;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) {
    text.append(text.empty() ? "" : "x").append(std::to_string(size));
  }
  return text;
}

void print(const train::Recipe& recipe, const models::Description& description) {
  std::printf("%-42s %-12s %14s %11s %15s %12s\n", "layer", "operation", "output", "parameters",
              "multiply-adds", "bytes");
  for (const models::Layer& layer : description.layers) {
    std::printf("%-42s %-12s %14s %11jd %15jd %12jd\n", layer.name.c_str(), layer.operation.c_str(),
                shape_text(layer.output).c_str(), static_cast<intmax_t>(layer.parameters),
                static_cast<intmax_t>(layer.multiply_adds),
                static_cast<intmax_t>(layer.activation_bytes));
  }
  std::string title = models::title_of(models::resolve(recipe.model), recipe.task);
  if (recipe.task != models::Task::super_resolution) {
    title.append(", ").append(std::to_string(recipe.model.num_classes)).append(" classes");
  }
  std::printf("\n%s, %jd x %jd: %jd parameters, %jd multiply-adds, %.1f MB of activations\n",
              title.c_str(), static_cast<intmax_t>(recipe.data.height()),
              static_cast<intmax_t>(recipe.data.width()),
              static_cast<intmax_t>(description.parameters()),
              static_cast<intmax_t>(description.multiply_adds()),
              static_cast<double>(description.activation_bytes()) / 1e6);
}

ordered_json to_json(const train::Recipe& recipe, const models::Description& description) {
  ordered_json layers = ordered_json::array();
  for (const models::Layer& layer : description.layers) {
    layers.push_back({{"name", layer.name},
                      {"operation", layer.operation},
                      {"output", layer.output},
                      {"parameters", layer.parameters},
                      {"multiply_adds", layer.multiply_adds},
                      {"activation_bytes", layer.activation_bytes}});
  }
  return {{"task", names_of(recipe.task)[static_cast<size_t>(recipe.task)]},
          {"parameters", description.parameters()},
          {"multiply_adds", description.multiply_adds()},
          {"activation_bytes", description.activation_bytes()},
          {"layers", std::move(layers)}};
}

}  // namespace

int run_info(int argc, char** argv) {
  const CommandLine line(
      {.name = "info",
       .operands = "[CONFIG] [key=value ...]",
       .summary =
           "Parameters, multiply-adds (fvcore's rules) and activation memory of a model for one\n"
           "picture of data.image_size, layer by layer.",
       .example = "nalaformer info model.name=nalaformer_t data.image_size=384"},
      [](cxxopts::OptionAdder& add) {
        add("checkpoint", "describe this checkpoint's model", cxxopts::value<std::string>(),
            "CKPT")("list", "the models, heads and feature maps there are");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (line.has("list")) {
    return list();
  }
  if (line.operands().size() > 1) {
    throw Error(ErrorKind::usage, "info: expected at most one configuration file");
  }
  train::Recipe recipe;
  if (line.has("checkpoint")) {
    recipe = load_checkpoint(line, line.text("checkpoint")).recipe;
  } else {
    recipe = line.recipe(line.operands().empty()
                             ? std::nullopt
                             : std::optional<std::filesystem::path>(line.operands().front()));
  }
  if (recipe.model.num_classes == 0) {
    recipe.model.num_classes = kDefaultClasses;
  }
  if (recipe.model.super_resolution.scale == 0) {
    recipe.model.super_resolution.scale = recipe.data.super_resolution.scale;
  }
  const auto description = models::describe(models::resolve(recipe.model), recipe.task,
                                            recipe.data.height(), recipe.data.width());
  print(recipe, description);
  line.write_json(to_json(recipe, description), "cpu", recipe);
  return 0;
}

}  // namespace nala::tools
