// Reads a model's sizes off the shapes of its state dict.

#include <algorithm>
#include <map>

#include "core/error.h"
#include "models/zoo.h"
#include "train/weights.h"

namespace nala::train {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

class Reader {
 public:
  Reader(const io::NamedTensors& tensors, const std::string& source) : source_(source) {
    for (const auto& [name, tensor] : tensors) {
      shapes_[name] = tensor.sizes().vec();
    }
  }

  // Size of one dimension of a tensor that has to be there.
  [[nodiscard]] int64_t size(const std::string& name, size_t dimension) const {
    const auto entry = shapes_.find(name);
    if (entry == shapes_.end() || entry->second.size() <= dimension ||
        entry->second[dimension] < 1) {
      throw Error(ErrorKind::checkpoint,
                  source_ + ": cannot tell the model: '" + name +
                      "' is missing or has another shape than a NaLaFormer's; "
                      "say model.name=... (and model.* for custom sizes)");
    }
    return entry->second[dimension];
  }

  [[nodiscard]] bool has(const std::string& name) const { return shapes_.contains(name); }

 private:
  Shapes shapes_;
  const std::string& source_;
};

std::string stage_name(size_t stage) {
  return "layers." + std::to_string(stage) + ".";
}

// The smallest ratio of at most two decimals for which int(ratio * channels) is the hidden width.
double ratio_of(int64_t hidden, int64_t channels) {
  for (int64_t hundredths = 50; hundredths <= 1600; hundredths += 50) {
    const double ratio = static_cast<double>(hundredths) / 100.0;
    if (static_cast<int64_t>(ratio * static_cast<double>(channels)) == hidden) {
      return ratio;
    }
  }
  return static_cast<double>(hidden) / static_cast<double>(channels);
}

bool fits(const models::ZooRow& row, const models::ModelConfig& found) {
  return std::equal(row.embed_dims.begin(), row.embed_dims.end(), found.embed_dims->begin()) &&
         std::equal(row.depths.begin(), row.depths.end(), found.depths->begin()) &&
         std::equal(row.heads.begin(), row.heads.end(), found.heads->begin()) &&
         row.mlp_ratio == *found.mlp_ratio && found.projection == 1024 && !found.layer_scale;
}

}  // namespace

models::ModelConfig recognise_model(const io::NamedTensors& tensors, const std::string& source) {
  const Reader reader(tensors, source);
  models::ModelConfig model{.name = models::ModelName::custom};
  model.embed_dims.emplace();
  model.depths.emplace();
  model.heads.emplace();
  for (size_t stage = 0; stage < models::kStages; ++stage) {
    const std::string prefix = stage_name(stage);
    const int64_t channels = reader.size(prefix + "blocks.0.norm1.norm.weight", 0);
    int64_t depth = 0;
    while (reader.has(prefix + "blocks." + std::to_string(depth) + ".norm1.norm.weight")) {
      ++depth;
    }
    model.embed_dims->push_back(channels);
    model.depths->push_back(depth);
    model.heads->push_back(
        std::max<int64_t>(1, channels / (2 * reader.size(prefix + "RoPE.angle", 0))));
  }
  model.mlp_ratio =
      ratio_of(reader.size("layers.0.blocks.0.ffn.fc1.weight", 0), model.embed_dims->front());
  model.projection = reader.size("proj.weight", 0);
  model.num_classes = reader.size("head.weight", 0);
  model.in_channels = reader.size("patch_embed.proj.0.weight", 1);
  if (!reader.has("layers.0.blocks.0.gamma_1")) {
    model.layer_scale.emplace();
  }
  for (const models::ZooRow& row : models::zoo()) {
    if (fits(row, model)) {
      return {
          .name = row.model, .num_classes = model.num_classes, .in_channels = model.in_channels};
    }
  }
  model.drop_path = 0;
  model.stage_kinds = {"linear", "linear", "softmax", "softmax"};
  if (!model.layer_scale) {
    model.layer_scale = {1, 1, 1, 1};
  }
  return model;
}

}  // namespace nala::train
