// Which parameters are decayed, and which learn more slowly.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torch::nn {
class Module;
}

namespace nala::train {

/// Parameters that share their optimizer settings.
struct ParameterGroup {
  double weight_decay = 0;
  double lr_scale = 1;  ///< factor of the learning rate
  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;
};

/// What decides whether a parameter is decayed.
enum class DecayBy {
  rank,  ///< not: parameters of at most one dimension, and those named `*.bias`
  name,  ///< not: those whose name contains one of a list of texts (mmsegmentation's custom_keys)
  all,   ///< every parameter is
};
constexpr std::array<std::string_view, 3> kDecayRules{"rank", "name", "all"};
constexpr std::span<const std::string_view> names_of(DecayBy) {
  return kDecayRules;
}
struct DecayRule {
  DecayBy by = DecayBy::rank;
  std::vector<std::string> undecayed;  ///< texts of `name`
};

/// Groups in the authors' (timm's) order: first the parameters that the rule leaves undecayed; then
/// the others, under `rank` the four-dimensional LayerScale gammas among them, with `weight_decay`.
/// Parameters that need no gradient are left out.
///
/// With `layer_decay` below 1 there are two such groups per layer, from the first layer to the
/// last, of learning rate layer_decay^(layers above it) (timm's param_groups_layer_decay): layer 0
/// is `patch_embed`, every block is one, a downsampling belongs to the block before it, all else is
/// the last; the same below `backbone.`. Empty groups are left out there.
std::vector<ParameterGroup> parameter_groups(const torch::nn::Module& model,
                                             double weight_decay,
                                             double layer_decay = 1,
                                             const DecayRule& rule = {});

/// The layer of each name, in their order.
std::vector<int64_t> layers_of(const std::vector<std::string>& names);

}  // namespace nala::train
