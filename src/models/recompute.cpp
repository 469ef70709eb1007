#include "models/recompute.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

namespace nala::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Function = std::function<at::Tensor(const at::Tensor& x)>;

// Takes the function to the backward pass, with the precision it ran in.
struct Body : torch::CustomClassHolder {
  Body(Function what, at::DeviceType where)
      : function(std::move(what)),
        device(where),
        casts(at::autocast::is_autocast_enabled(where)),
        type(at::autocast::get_autocast_dtype(where)) {}

  at::Tensor run_again(const at::Tensor& x) const {
    const bool casts_now = at::autocast::is_autocast_enabled(device);
    const at::ScalarType type_now = at::autocast::get_autocast_dtype(device);
    set(casts, type);
    at::Tensor y;
    try {
      y = function(x);
    } catch (...) {
      set(casts_now, type_now);
      throw;
    }
    set(casts_now, type_now);
    return y;
  }

  void set(bool enabled, at::ScalarType dtype) const {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, dtype);
    // Weights cast without a gradient must not serve a pass with one, nor the other way round.
    at::autocast::clear_cache();
  }

  Function function;
  at::DeviceType device;
  bool casts;
  at::ScalarType type;
};

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& x,
                            const at::TensorList& parameters,
                            const c10::intrusive_ptr<Body>& body) {
    variable_list kept{x};
    kept.insert(kept.end(), parameters.begin(), parameters.end());
    context->save_for_backward(kept);
    context->saved_data["body"] = c10::IValue::make_capsule(body);
    const at::NoGradGuard no_grad;
    return body->run_again(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "gradient checkpointing: double backward is not supported");
    variable_list inputs = context->get_saved_variables();
    const auto body = context->saved_data["body"].toCapsule();
    inputs[0] = inputs[0].detach().requires_grad_();
    const at::AutoGradMode with_grad(true);
    const at::Tensor y = static_cast<Body&>(*body).run_again(inputs[0]);
    variable_list wanted;
    for (const at::Tensor& input : inputs) {
      if (input.requires_grad()) {
        wanted.push_back(input);
      }
    }
    const variable_list found = torch::autograd::grad({y}, wanted, {gradients[0]},
                                                      /*retain_graph=*/false,
                                                      /*create_graph=*/false,
                                                      /*allow_unused=*/true);
    variable_list all;
    size_t next = 0;
    for (const at::Tensor& input : inputs) {
      all.push_back(input.requires_grad() ? found[next++] : at::Tensor());
    }
    all.emplace_back();  // of the body
    return all;
  }
};

}  // namespace

at::Tensor recomputed(const Function& function,
                      const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters) {
  if (!at::GradMode::is_enabled()) {
    return function(x);
  }
  return Recomputed::apply(x, at::TensorList(parameters),
                           c10::make_intrusive<Body>(function, x.device().type()));
}

}  // namespace nala::models
