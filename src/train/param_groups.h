// Which parameters are decayed.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace nala::train {

/// Parameters that share their optimizer settings.
struct ParameterGroup {
  double weight_decay = 0;
  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;
};

/// Two groups in the authors' (timm's) order: first, undecayed, the parameters of at most one
/// dimension and those named `*.bias`; then the others, the four-dimensional LayerScale gammas
/// among them, with `weight_decay`. Parameters that need no gradient are left out.
std::vector<ParameterGroup> parameter_groups(const torch::nn::Module& model, double weight_decay);

}  // namespace nala::train
