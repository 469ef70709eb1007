#include "models/attention_form.h"

namespace nala::models {

bool is_softmax(BlockKind kind, const AttentionConfig& config) {
  return kind == BlockKind::softmax || config.feature_map == AttentionMap::softmax;
}

ops::LinearAttentionOptions linear_formula(const AttentionConfig& config) {
  const std::string_view name = names_of(AttentionMap{})[static_cast<size_t>(config.feature_map)];
  return {.map = ops::feature_map_named(name).value_or(ops::FeatureMap::relu_split),
          .norm_aware = config.norm_aware,
          .lambd = config.lambd,
          .tau = config.tau,
          .alpha = config.alpha};
}

}  // namespace nala::models
