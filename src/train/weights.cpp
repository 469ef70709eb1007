#include "train/weights.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/authors_checkpoint.h"
#include "io/safetensors.h"
#include "train/checkpoint.h"

namespace nala::train {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::string& message) {
  throw Error(ErrorKind::checkpoint, path.string() + ": " + message);
}

Recipe recipe_of(const std::string& yaml, const fs::path& path) {
  try {
    return config::read<Recipe>(config::parse(yaml, path.string()));
  } catch (const Error& problem) {
    throw Error(ErrorKind::checkpoint, problem.what());
  }
}

Weights from_checkpoint(const fs::path& folder) {
  Checkpoint checkpoint = read_checkpoint(folder);
  return {.recipe = recipe_of(checkpoint.config_yaml, folder / "config.yaml"),
          .classes = std::move(checkpoint.classes),
          .raw = std::move(checkpoint.model),
          .ema = std::move(checkpoint.ema),
          .source = folder.string()};
}

// Metadata of files that `export` wrote.
void take_metadata(const std::map<std::string, std::string>& metadata,
                   const fs::path& path,
                   Weights& weights) {
  const auto yaml = metadata.find("nalaformer.config");
  if (yaml != metadata.end()) {
    weights.recipe = recipe_of(yaml->second, path);
  }
  const auto classes = metadata.find("nalaformer.classes");
  if (classes != metadata.end()) {
    const auto names = nlohmann::json::parse(classes->second, nullptr, false);
    if (!names.is_array()) {
      fail(path, "metadata 'nalaformer.classes' is not a list");
    }
    for (const auto& name : names) {
      weights.classes.push_back(name.is_string() ? name.get<std::string>() : name.dump());
    }
  }
}

Weights from_bare_file(const fs::path& path,
                       const std::optional<models::ModelConfig>& stated_model) {
  Weights weights;
  weights.source = path.string();
  bool named = false;
  if (path.extension() == ".safetensors") {
    io::Safetensors file = io::read_safetensors(path);
    take_metadata(file.metadata, path, weights);
    named = file.metadata.contains("nalaformer.config");
    weights.raw = std::move(file.tensors);
  } else {
    io::AuthorsCheckpoint file = io::read_authors_checkpoint(path);
    weights.raw = std::move(file.model);
    weights.ema = std::move(file.model_ema);
  }
  if (!named) {
    weights.recipe.task = recognise_task(weights.raw);
    if (weights.recipe.task == models::Task::segmentation) {
      weights.recipe.data.name = data::DatasetName::ade20k;
    }
  }
  if (stated_model) {
    weights.recipe.model = *stated_model;
  } else if (!named) {
    weights.recipe.model = recognise_model(weights.raw, path.string());
  }
  if (weights.recipe.model.num_classes == 0 &&
      weights.recipe.task != models::Task::super_resolution) {
    weights.recipe.model.num_classes = recognise_model(weights.raw, path.string()).num_classes;
  }
  return weights;
}

bool is_checkpoint(const fs::path& folder) {
  return fs::exists(folder / "manifest.json");
}

}  // namespace

Weights load_weights(const fs::path& path, const std::optional<models::ModelConfig>& stated_model) {
  if (fs::is_regular_file(path)) {
    if (path.extension() == ".safetensors" || path.extension() == ".pth" ||
        path.extension() == ".pt") {
      return from_bare_file(path, stated_model);
    }
    fail(path, "expected a checkpoint folder, an output folder, .safetensors or .pth");
  }
  if (!fs::is_directory(path)) {
    fail(path, "no such checkpoint");
  }
  if (is_checkpoint(path)) {
    return from_checkpoint(path);
  }
  for (const fs::path& root : {path / "checkpoints", path}) {
    for (const char* link : {"best", "latest"}) {
      if (is_checkpoint(root / link)) {
        return from_checkpoint(fs::canonical(root / link));
      }
    }
  }
  fail(path, "holds no checkpoint (no manifest.json, no checkpoints/best, no checkpoints/latest)");
}

io::NamedTensors named_for(models::Task task, io::NamedTensors tensors) {
  if (task == models::Task::segmentation) {
    for (auto& [name, tensor] : tensors) {
      if (name.starts_with("patch_embed.") || name.starts_with("layers.")) {
        name.insert(0, "backbone.");
      }
    }
  }
  return tensors;
}

}  // namespace nala::train
