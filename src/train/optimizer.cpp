#include "train/optimizer.h"

#include <torch/torch.h>

#include <map>

#include "core/error.h"

namespace nala::train {
namespace {

constexpr const char* kFirst = "exp_avg.";
constexpr const char* kSecond = "exp_avg_sq.";

// The fused kernels walk raw memory: gradients must lie as their parameters do.
at::Tensor laid_out_like(const at::Tensor& gradient, const at::Tensor& parameter) {
  if (gradient.strides() == parameter.strides()) {
    return gradient;
  }
  return at::empty_like(parameter).copy_(gradient);  // the parameter's shape
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& options, std::vector<ParameterGroup> groups)
    : options_(options), groups_(std::move(groups)) {
  for (const ParameterGroup& group : groups_) {
    auto& first = first_.emplace_back();
    auto& second = second_.emplace_back();
    for (const at::Tensor& parameter : group.parameters) {
      first.push_back(at::zeros_like(parameter));  // the parameter's shape
      if (options_.name != OptimizerName::sgd) {
        second.push_back(at::zeros_like(parameter));  // the parameter's shape
      }
    }
  }
}

void Optimizer::step(double lr) {
  const at::NoGradGuard no_grad;
  ++steps_;
  for (size_t group = 0; group < groups_.size(); ++group) {
    step_group(group, lr);
  }
}

void Optimizer::step_group(size_t group, double lr) {
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> first;
  std::vector<at::Tensor> second;
  std::vector<at::Tensor> steps;
  for (size_t i = 0; i < groups_[group].parameters.size(); ++i) {
    const at::Tensor& parameter = groups_[group].parameters[i];
    if (!parameter.grad().defined()) {
      continue;
    }
    parameters.push_back(parameter);
    gradients.push_back(laid_out_like(parameter.grad(), parameter));
    first.push_back(first_[group][i]);
    if (options_.name != OptimizerName::sgd) {
      second.push_back(second_[group][i]);
      // The kernel takes the number of this step, from 1, as one float per parameter.
      steps.push_back(at::full({}, static_cast<double>(steps_),
                               parameter.options().dtype(at::kFloat)));  // ()
    }
  }
  if (parameters.empty()) {
    return;
  }
  const double decay = groups_[group].weight_decay;
  lr *= groups_[group].lr_scale;
  switch (options_.name) {
    case OptimizerName::adamw:
      at::_fused_adamw_(parameters, gradients, first, second, {}, steps, lr, options_.betas[0],
                        options_.betas[1], decay, options_.eps, false, false);
      break;
    case OptimizerName::adam:
      at::_fused_adam_(parameters, gradients, first, second, {}, steps, lr, options_.betas[0],
                       options_.betas[1], decay, options_.eps, false, false);
      break;
    case OptimizerName::sgd:
      // Without momentum the kernel wants no buffers.
      at::_fused_sgd_(parameters, gradients,
                      options_.momentum == 0 ? std::vector<at::Tensor>() : first, decay,
                      options_.momentum, lr, 0.0, false, false, steps_ == 1);
      break;
  }
}

void Optimizer::zero_grad() {
  for (ParameterGroup& group : groups_) {
    for (at::Tensor& parameter : group.parameters) {
      parameter.mutable_grad().reset();
    }
  }
}

std::vector<at::Tensor> Optimizer::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const ParameterGroup& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) {
      if (parameter.grad().defined()) {
        gradients.push_back(parameter.grad());
      }
    }
  }
  return gradients;
}

io::NamedTensors Optimizer::state() const {
  io::NamedTensors state;
  state.emplace_back("step", at::scalar_tensor(steps_, at::kLong));  // ()
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (size_t i = 0; i < groups_[group].names.size(); ++i) {
      state.emplace_back(kFirst + groups_[group].names[i], first_[group][i]);
      if (options_.name != OptimizerName::sgd) {
        state.emplace_back(kSecond + groups_[group].names[i], second_[group][i]);
      }
    }
  }
  return state;
}

void Optimizer::load_state(const io::NamedTensors& state, const std::string& source) {
  const std::map<std::string, at::Tensor> found(state.begin(), state.end());
  io::NamedTensors own = this->state();
  for (const auto& [name, tensor] : own) {
    const auto entry = found.find(name);
    if (entry == found.end() || entry->second.sizes() != tensor.sizes()) {
      throw Error(ErrorKind::checkpoint,
                  source + ": optimizer state '" + name + "' is " +
                      (entry == found.end() ? "missing" : "of another shape") +
                      "; it was saved by another model or optimizer");
    }
  }
  const at::NoGradGuard no_grad;
  steps_ = found.at("step").item<int64_t>();
  for (auto& [name, tensor] : own) {
    if (name != "step") {
      tensor.copy_(found.at(name));
    }
  }
}

}  // namespace nala::train
