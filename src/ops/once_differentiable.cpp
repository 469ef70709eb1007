#include "ops/once_differentiable.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/functions/basic_ops.h>

#include <string>

namespace nala::ops {

std::vector<at::Tensor> once_differentiable(std::string_view op,
                                            std::vector<at::Tensor> gradients) {
  if (!at::GradMode::is_enabled()) {
    return gradients;
  }
  for (at::Tensor& gradient : gradients) {
    gradient = gradient.defined() ? gradient.detach().requires_grad_() : gradient;
  }
  torch::autograd::DelayedError refuse(
      std::string(op) + ": double backward is not supported; use first derivatives only",
      static_cast<int64_t>(gradients.size()));
  return refuse.apply(std::move(gradients));
}

}  // namespace nala::ops
