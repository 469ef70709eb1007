#include "models/config.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "models/zoo.h"

namespace nala::models {
namespace {

constexpr std::array<std::string_view, 7> kModelNames = {
    "nalaformer_xt", "nalaformer_t",     "nalaformer_s", "nalaformer_b",
    "nalaformer_l",  "nalaformer_t_r35", "custom"};
constexpr std::array<std::string_view, 7> kAttentionMaps = {
    "relu_split", "cosine", "softmax", "elu", "relu", "focused", "pola"};
constexpr std::array<std::string_view, 2> kBlockKinds = {"linear", "softmax"};
constexpr std::array<std::string_view, 2> kSegmentationHeads = {"semantic_fpn", "upernet"};

constexpr int64_t kMaxDim = 1 << 16;
constexpr int64_t kMaxDepth = 1000;

// A key of ModelConfig and what is wrong with its value; thrown by resolve() and, with the place,
// check().
struct Fault {
  std::string key;
  std::string message;
};

template <class T>
std::array<T, kStages> four(const std::string& key,
                            const std::optional<std::vector<T>>& given,
                            const std::array<T, kStages>* otherwise) {
  if (!given) {
    if (otherwise == nullptr) {
      throw Fault{key, "missing, a custom model needs a list of 4"};
    }
    return *otherwise;
  }
  if (given->size() != kStages) {
    throw Fault{key, std::to_string(given->size()) + " entries, expected 4, one per stage"};
  }
  std::array<T, kStages> values;
  std::ranges::copy(*given, values.begin());
  return values;
}

void check_bounds(const std::string& key,
                  const std::array<int64_t, kStages>& values,
                  int64_t high) {
  for (const int64_t value : values) {
    if (value < 1 || value > high) {
      throw Fault{
          key, std::to_string(value) + " is out of range, expected 1 to " + std::to_string(high)};
    }
  }
}

void check_heads(const ResolvedModel& model) {
  for (int i = 0; i < kStages; ++i) {
    const std::string stage = "stage " + std::to_string(i + 1) + ": " +
                              std::to_string(model.heads[i]) + " heads for " +
                              std::to_string(model.embed_dims[i]) + " channels, ";
    if (model.embed_dims[i] % model.heads[i] != 0) {
      throw Fault{"heads", stage + "the heads must divide the channels"};
    }
    if (model.head_dim(i) % 4 != 0) {
      throw Fault{"heads", stage + "channels per head are " + std::to_string(model.head_dim(i)) +
                               ", expected a multiple of 4"};
    }
  }
}

// One text of stage_kinds for `depth` blocks.
std::vector<BlockKind> parse_kinds(const std::string& text, int64_t depth) {
  for (size_t i = 0; i < kBlockKinds.size(); ++i) {
    if (text == kBlockKinds[i]) {
      return std::vector<BlockKind>(depth, static_cast<BlockKind>(i));
    }
  }
  const bool letters = !text.empty() && text.find_first_not_of("lv") == std::string::npos;
  if (!letters || (text.size() != 1 && std::ssize(text) != depth)) {
    throw Fault{"stage_kinds", "'" + text + "', expected linear, softmax, l, v, or " +
                                   std::to_string(depth) + " letters of l and v"};
  }
  std::vector<BlockKind> kinds;
  for (int64_t block = 0; block < depth; ++block) {
    const char letter = text.size() == 1 ? text[0] : text[block];
    kinds.push_back(letter == 'l' ? BlockKind::linear : BlockKind::softmax);
  }
  return kinds;
}

void resolve_sizes(const ModelConfig& config, const ZooRow* row, ResolvedModel& model) {
  model.embed_dims = four("embed_dims", config.embed_dims, row ? &row->embed_dims : nullptr);
  check_bounds("embed_dims", model.embed_dims, kMaxDim);
  if (model.embed_dims[0] % 2 != 0) {
    throw Fault{"embed_dims", "the first is " + std::to_string(model.embed_dims[0]) +
                                  ", expected an even number, the stem starts with half of it"};
  }
  model.heads = four("heads", config.heads, row ? &row->heads : nullptr);
  check_bounds("heads", model.heads, kMaxDim);
  check_heads(model);
  model.mlp_ratio = config.mlp_ratio.value_or(row ? row->mlp_ratio : 4);
  for (int i = 0; i < kStages; ++i) {
    const double width = model.mlp_ratio * static_cast<double>(model.embed_dims[i]);
    if (!(width >= 1 && width <= 16.0 * kMaxDim)) {
      throw Fault{"mlp_ratio", "stage " + std::to_string(i + 1) + " would be " +
                                   std::to_string(width) + " wide, expected 1 to " +
                                   std::to_string(16 * kMaxDim)};
    }
  }
}

void resolve_blocks(const ModelConfig& config, const ZooRow* row, ResolvedModel& model) {
  const auto depths = four("depths", config.depths, row ? &row->depths : nullptr);
  check_bounds("depths", depths, kMaxDepth);
  const std::array<std::string, kStages> released = {"l", "l", "v", "v"};
  const auto kinds = four("stage_kinds", config.stage_kinds, &released);
  for (int i = 0; i < kStages; ++i) {
    model.blocks[i] = parse_kinds(kinds[i], depths[i]);
  }
}

void resolve_rest(const ModelConfig& config, const ZooRow* row, ResolvedModel& model) {
  const std::array<double, kStages> ones = {1, 1, 1, 1};
  if (!config.layer_scale || !config.layer_scale->empty()) {
    model.layer_scale = four("layer_scale", config.layer_scale, row ? &row->layer_scale : &ones);
  }
  model.projection = config.projection.value_or(1024);
  model.drop_path = config.drop_path.value_or(row ? row->drop_path : 0);
  model.num_classes = config.num_classes;
  model.in_channels = config.in_channels;
  model.attention = config.attention;
  model.segmentation = config.segmentation;
  model.super_resolution = resolve(config.super_resolution);
  model.super_resolution.drop_path = config.drop_path.value_or(0);
  model.implementation = config.implementation;
}

ResolvedModel resolve_or_fault(const ModelConfig& config) {
  const ZooRow* row = find_in_zoo(config.name);
  ResolvedModel model;
  model.name = names_of(config.name)[static_cast<size_t>(config.name)];
  resolve_sizes(config, row, model);
  resolve_blocks(config, row, model);
  resolve_rest(config, row, model);
  return model;
}

}  // namespace

std::span<const std::string_view> names_of(ModelName) {
  return kModelNames;
}
std::span<const std::string_view> names_of(AttentionMap) {
  return kAttentionMaps;
}
std::span<const std::string_view> names_of(BlockKind) {
  return kBlockKinds;
}
std::span<const std::string_view> names_of(SegmentationHead) {
  return kSegmentationHeads;
}

void ModelConfig::check(const ModelConfig& c, const config::Where& fail) {
  try {
    resolve_or_fault(c);
  } catch (const Fault& fault) {
    fail(fault.key, fault.message);
  }
}

ResolvedModel resolve(const ModelConfig& config) {
  try {
    return resolve_or_fault(config);
  } catch (const Fault& fault) {
    throw Error(ErrorKind::config, "model." + fault.key + ": " + fault.message);
  }
}

int64_t ResolvedModel::ffn_dim(int stage) const {
  return static_cast<int64_t>(mlp_ratio * static_cast<double>(embed_dims[stage]));
}

std::vector<float> ResolvedModel::drop_path_rates() const {
  int64_t count = 0;
  for (const auto& stage : blocks) {
    count += std::ssize(stage);
  }
  const at::Tensor rates = at::linspace(0, drop_path, count, at::kFloat);  // (blocks)
  return {rates.const_data_ptr<float>(), rates.const_data_ptr<float>() + count};
}

}  // namespace nala::models
