#include "train/param_groups.h"

#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace nala::train {
namespace {

// `layers.I.blocks.J` of a name that begins so, else an empty text.
std::string block_of(const std::string& name) {
  if (!name.starts_with("layers.")) {
    return "";
  }
  const size_t blocks = name.find(".blocks.");
  return blocks == std::string::npos ? "" : name.substr(0, name.find('.', blocks + 8));
}

// `layers.I.` of a name that begins so, else an empty text.
std::string stage_of(const std::string& name) {
  return name.starts_with("layers.") ? name.substr(0, name.find('.', 7) + 1) : "";
}

bool is_decayed(const std::string& name, const at::Tensor& parameter, const DecayRule& rule) {
  switch (rule.by) {
    case DecayBy::rank:
      return parameter.dim() > 1 && !name.ends_with(".bias");
    case DecayBy::name:
      return std::ranges::none_of(rule.undecayed, [&](const std::string& text) {
        return name.find(text) != std::string::npos;
      });
    case DecayBy::all:
      break;
  }
  return true;
}

// Without the prefix of a backbone that is a module of its own.
std::string in_backbone(const std::string& name) {
  constexpr std::string_view kPrefix = "backbone.";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

}  // namespace

std::vector<int64_t> layers_of(const std::vector<std::string>& all) {
  std::vector<std::string> names;
  std::ranges::transform(all, std::back_inserter(names), in_backbone);
  std::map<std::string, int64_t> numbers;  // of blocks, from 1
  std::map<std::string, int64_t> last;     // block of each stage
  for (const std::string& name : names) {
    const std::string block = block_of(name);
    if (!block.empty()) {
      const auto [entry, added] = numbers.emplace(block, std::ssize(numbers) + 1);
      last[stage_of(name)] = std::max(last[stage_of(name)], entry->second);
    }
  }
  const int64_t top = std::ssize(numbers) + 1;
  std::vector<int64_t> layers;
  for (const std::string& name : names) {
    const std::string block = block_of(name);
    if (!block.empty()) {
      layers.push_back(numbers[block]);
    } else if (last.contains(stage_of(name))) {
      layers.push_back(last[stage_of(name)]);
    } else {
      layers.push_back(name.starts_with("patch_embed.") ? 0 : top);
    }
  }
  return layers;
}

std::vector<ParameterGroup> parameter_groups(const torch::nn::Module& model,
                                             double weight_decay,
                                             double layer_decay,
                                             const DecayRule& rule) {
  const auto parameters = model.named_parameters();
  const std::vector<int64_t> layers = layers_of(parameters.keys());
  const bool by_layer = layer_decay != 1.0;
  const int64_t top = layers.empty() ? 0 : *std::max_element(layers.begin(), layers.end());
  std::vector<ParameterGroup> groups(static_cast<size_t>(by_layer ? 2 * (top + 1) : 2));
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].weight_decay = i % 2 == 0 ? 0.0 : weight_decay;
    if (by_layer) {
      const int64_t layer = static_cast<int64_t>(i) / 2;
      groups[i].lr_scale = std::pow(layer_decay, static_cast<double>(top - layer));
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& item = parameters[i];
    if (!item.value().requires_grad()) {
      continue;
    }
    const bool decayed = is_decayed(item.key(), item.value(), rule);
    const auto first = static_cast<size_t>(by_layer ? 2 * layers[i] : 0);
    ParameterGroup& group = groups[first + (decayed ? 1 : 0)];
    group.names.push_back(item.key());
    group.parameters.push_back(item.value());
  }
  if (by_layer) {
    std::erase_if(groups, [](const ParameterGroup& group) { return group.names.empty(); });
  }
  return groups;
}

}  // namespace nala::train
