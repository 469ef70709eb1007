// Reads a model's sizes off the shapes of its state dict.

#include <algorithm>
#include <map>

#include "core/error.h"
#include "models/describe.h"
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
      // A view may say that it is larger than what is stored.
      const auto stored = static_cast<int64_t>(tensor.storage().nbytes() / tensor.itemsize());
      values_ += std::min(tensor.numel(), stored);
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
  [[nodiscard]] int64_t values() const { return values_; }
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  Shapes shapes_;
  int64_t values_ = 0;  // of all tensors
  const std::string& source_;
};

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
         row.mlp_ratio == *found.mlp_ratio && found.projection.value_or(1024) == 1024 &&
         !found.layer_scale;
}

// The trunk, whose names begin with `prefix`.
models::ModelConfig trunk_of(const Reader& reader, const std::string& prefix) {
  models::ModelConfig model{.name = models::ModelName::custom};
  model.embed_dims.emplace();
  model.depths.emplace();
  model.heads.emplace();
  for (size_t i = 0; i < models::kStages; ++i) {
    const std::string stage = prefix + "layers." + std::to_string(i) + ".";
    const int64_t channels = reader.size(stage + "blocks.0.norm1.norm.weight", 0);
    int64_t depth = 0;
    while (reader.has(stage + "blocks." + std::to_string(depth) + ".norm1.norm.weight")) {
      ++depth;
    }
    model.embed_dims->push_back(channels);
    model.depths->push_back(depth);
    model.heads->push_back(
        std::max<int64_t>(1, channels / (2 * reader.size(stage + "RoPE.angle", 0))));
  }
  model.mlp_ratio = ratio_of(reader.size(prefix + "layers.0.blocks.0.ffn.fc1.weight", 0),
                             model.embed_dims->front());
  model.in_channels = reader.size(prefix + "patch_embed.proj.0.weight", 1);
  if (!reader.has(prefix + "layers.0.blocks.0.gamma_1")) {
    model.layer_scale.emplace();
  }
  return model;
}

// What a segmentation network has behind its trunk.
void read_heads(const Reader& reader, models::ModelConfig& model) {
  models::SegmentationConfig& heads = model.segmentation;
  model.num_classes = reader.size("decode_head.conv_seg.weight", 0);
  heads.channels = reader.size("decode_head.conv_seg.weight", 1);
  if (reader.has("decode_head.psp_modules.0.1.conv.weight")) {
    heads.head = models::SegmentationHead::upernet;
  } else {
    heads.neck_channels = reader.size("neck.lateral_convs.0.conv.weight", 0);
  }
  heads.out_norm = reader.has("backbone.norm0.weight");
  heads.auxiliary = reader.has("auxiliary_head.conv_seg.weight");
  if (*heads.auxiliary) {
    heads.auxiliary_channels = reader.size("auxiliary_head.conv_seg.weight", 1);
  }
}

models::ModelConfig zoo_named(models::ModelConfig model) {
  for (const models::ZooRow& row : models::zoo()) {
    if (fits(row, model)) {
      return {.name = row.model,
              .num_classes = model.num_classes,
              .in_channels = model.in_channels,
              .segmentation = model.segmentation};
    }
  }
  model.drop_path = 0;
  model.stage_kinds = {"linear", "linear", "softmax", "softmax"};
  if (!model.layer_scale) {
    model.layer_scale = {1, 1, 1, 1};
  }
  return model;
}

// Single shapes may be anything: sizes out of range, or of a network far larger than the file,
// which nobody is to allocate.
void check_sizes(const Reader& reader, const models::ModelConfig& model, models::Task task) {
  const auto fail = [&](const std::string& message) {
    throw Error(ErrorKind::checkpoint, reader.source() + ": cannot tell the model: " + message);
  };
  try {
    static_cast<void>(config::read<models::ModelConfig>(config::write(model)));
  } catch (const Error& problem) {
    fail(problem.what());
  }
  constexpr int64_t kAnySide = 64;
  const int64_t wanted =
      models::describe(models::resolve(model), task, kAnySide, kAnySide).parameters();
  if (wanted > reader.values()) {
    fail("sizes of a network of " + std::to_string(wanted) + " parameters, but the file holds " +
         std::to_string(reader.values()) + " values");
  }
}

}  // namespace

models::Task recognise_task(const io::NamedTensors& tensors) {
  const bool below_backbone = std::ranges::any_of(
      tensors, [](const auto& entry) { return entry.first.starts_with("backbone.layers."); });
  return below_backbone ? models::Task::segmentation : models::Task::classification;
}

models::ModelConfig recognise_model(const io::NamedTensors& tensors, const std::string& source) {
  const Reader reader(tensors, source);
  const models::Task task = recognise_task(tensors);
  const bool segments = task == models::Task::segmentation;
  models::ModelConfig model = trunk_of(reader, segments ? "backbone." : "");
  if (segments) {
    read_heads(reader, model);
  } else {
    model.projection = reader.size("proj.weight", 0);
    model.num_classes = reader.size("head.weight", 0);
  }
  model = zoo_named(std::move(model));
  check_sizes(reader, model, task);
  return model;
}

}  // namespace nala::train
