// Parameters that training leaves alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace nala::train {

/// The parts of a model that name patterns freeze. `*` in a pattern stands for any characters, `?`
/// for one; a pattern may name parameters or all below a module: `layers.0` and `layers.0.*` are
/// the same. Patterns that start with `!` thaw again what earlier ones froze, so that
/// ["*", "!head"] trains the head alone.
class Freezing {
 public:
  /// Frozen parameters lose their requires_grad. Throws Error(config) for a pattern that names no
  /// parameter, and when nothing is left to train.
  Freezing(torch::nn::Module& model, const std::vector<std::string>& patterns);

  /// To be called after train(): modules whose own parameters are all frozen go back to evaluation,
  /// so that the statistics of their batch normalisation stay as well.
  void hold() const;

 private:
  std::vector<std::shared_ptr<torch::nn::Module>> frozen_;
};

}  // namespace nala::train
