// The update rules, on LibTorch's fused kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "io/named_tensors.h"
#include "train/param_groups.h"

namespace nala::train {

enum class OptimizerName { adamw, adam, sgd };
constexpr std::array<std::string_view, 3> kOptimizerNames{"adamw", "adam", "sgd"};
constexpr std::span<const std::string_view> names_of(OptimizerName) {
  return kOptimizerNames;
}

struct OptimizerConfig {
  OptimizerName name = OptimizerName::adamw;
  double lr = 5e-4;
  double lr_per_images = 0;
  double weight_decay = 0.05;
  DecayBy decay_by = DecayBy::rank;
  std::vector<std::string> undecayed{"norm"};
  double layer_decay = 1;
  std::vector<double> betas{0.9, 0.999};
  double eps = 1e-8;
  double momentum = 0.9;

  template <class V>
  static void fields(OptimizerConfig& c, V&& v) {
    v("name", c.name, "the update rule");
    v("lr", c.lr, "peak learning rate, absolute unless lr_per_images is set", config::at_least(0));
    v("lr_per_images", c.lr_per_images,
      "when above 0, the rate is lr * global batch / this (the recipe: 512)", config::at_least(0));
    v("weight_decay", c.weight_decay, "applied to the parameters that decay_by says",
      config::at_least(0));
    v("decay_by", c.decay_by,
      "rank: all but biases and one-dimensional parameters; name: all but those of `undecayed`; "
      "all");
    v("undecayed", c.undecayed,
      "decay_by name: parameters whose name contains one of these are not decayed");
    v("layer_decay", c.layer_decay,
      "factor of the learning rate from each block to the one before it; 1: all alike",
      {.low = 0, .high = 1, .low_open = true});
    v("betas", c.betas, "adamw, adam: decay rates of the two moments", config::between(0, 1));
    v("eps", c.eps, "adamw, adam: added to the denominator", config::above(0));
    v("momentum", c.momentum, "sgd: momentum", config::between(0, 1));
  }
  static void check(const OptimizerConfig& c, const config::Where& fail) {
    if (c.betas.size() != 2) {
      fail("betas", "expected two numbers");
    }
  }
};

/// Updates parameters in place from their gradients. Not thread-safe.
///
/// adamw: Loshchilov and Hutter 2019; adam: Kingma and Ba 2015 with L2 decay; sgd: momentum with L2
/// decay; as torch.optim computes them. Moments are float32 tensors of the parameters' shapes.
class Optimizer {
 public:
  Optimizer(const OptimizerConfig& options, std::vector<ParameterGroup> groups);

  /// One step at learning rate `lr` (times each group's lr_scale). Parameters without a gradient
  /// are left as they are.
  void step(double lr);
  /// Drops all gradients.
  void zero_grad();
  /// Every parameter with a gradient, in group order.
  [[nodiscard]] std::vector<at::Tensor> gradients() const;
  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return groups_; }

  /// The state, live tensors named `<moment>.<parameter>` and `step` (int64); empty moments before
  /// the first step are zeros.
  [[nodiscard]] io::NamedTensors state() const;
  /// Puts a state back. Throws Error(checkpoint) naming `source` and what is missing or of another
  /// shape, before anything is changed.
  void load_state(const io::NamedTensors& state, const std::string& source);

 private:
  void step_group(size_t group, double lr);

  OptimizerConfig options_;
  std::vector<ParameterGroup> groups_;
  int64_t steps_ = 0;
  // Per group, one tensor per parameter, of its shape. sgd uses the first alone.
  std::vector<std::vector<at::Tensor>> first_;
  std::vector<std::vector<at::Tensor>> second_;
};

}  // namespace nala::train
