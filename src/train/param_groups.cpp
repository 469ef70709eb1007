#include "train/param_groups.h"

#include <torch/nn/module.h>

namespace nala::train {

std::vector<ParameterGroup> parameter_groups(const torch::nn::Module& model, double weight_decay) {
  std::vector<ParameterGroup> groups(2);
  groups[1].weight_decay = weight_decay;
  for (const auto& item : model.named_parameters()) {
    if (!item.value().requires_grad()) {
      continue;
    }
    const bool decayed = item.value().dim() > 1 && !item.key().ends_with(".bias");
    ParameterGroup& group = groups[decayed ? 1 : 0];
    group.names.push_back(item.key());
    group.parameters.push_back(item.value());
  }
  return groups;
}

}  // namespace nala::train
