#include "ops/linear_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/functions/basic_ops.h>

#include "ops/arguments.h"
#include "ops/implementations.h"

namespace nala::ops {
namespace {

Problem problem_of(const AttentionArguments& arguments, const LinearAttentionOptions& options) {
  return {.q = arguments.q,
          .k = arguments.k,
          .v = arguments.v,
          .cos = arguments.cos,
          .sin = arguments.sin,
          .map = options.map,
          .norm_aware = options.norm_aware,
          .lambd = options.lambd,
          .tau = options.tau,
          .alpha = options.alpha,
          .eps = options.eps};
}

// What a call keeps for its backward besides tensors.
struct Call : torch::CustomClassHolder {
  Call(const Implementation& chosen, LinearAttentionOptions given)
      : implementation(chosen), options(std::move(given)) {}
  const Implementation& implementation;
  LinearAttentionOptions options;
};

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Gradients are the first derivative only: using them for a second one must fail, not be wrong.
variable_list once_differentiable(const Gradients& gradients) {
  variable_list list = {gradients.dq, gradients.dk, gradients.dv};
  if (!at::GradMode::is_enabled()) {
    return list;
  }
  for (at::Tensor& gradient : list) {
    gradient = gradient.detach().requires_grad_();
  }
  torch::autograd::DelayedError refuse(
      "nala::linear_attention: double backward is not supported; use first derivatives only", 3);
  return refuse.apply(std::move(list));
}

class LinearAttention : public torch::autograd::Function<LinearAttention> {
 public:
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& q,
                            const at::Tensor& k,
                            const at::Tensor& v,
                            const std::optional<at::Tensor>& cos,
                            const std::optional<at::Tensor>& sin,
                            const LinearAttentionOptions& options) {
    const Problem problem =
        problem_of({q, k, v, cos.value_or(at::Tensor()), sin.value_or(at::Tensor())}, options);
    const Implementation& chosen = choose_implementation(options.implementation, problem);
    Forward result = chosen.forward(problem);
    variable_list kept = {q, k, v, problem.cos, problem.sin};
    kept.insert(kept.end(), result.saved.begin(), result.saved.end());
    context->save_for_backward(std::move(kept));
    context->saved_data["call"] =
        c10::IValue::make_capsule(c10::make_intrusive<Call>(chosen, options));
    return result.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& dy) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto call =
        c10::static_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
    const variable_list kept = context->get_saved_variables();
    const Problem problem =
        problem_of({kept[0], kept[1], kept[2], kept[3], kept[4]}, call->options);
    const Forward forward{.y = {}, .saved = {kept.begin() + 5, kept.end()}};
    Gradients gradients;
    {
      const at::NoGradGuard no_grad;
      gradients = call->implementation.backward(problem, forward, dy[0]);
    }
    variable_list all = once_differentiable(gradients);
    all.resize(6);  // none for cos, sin and the options
    return all;
  }
};

}  // namespace

at::Tensor linear_attention(const at::Tensor& q,
                            const at::Tensor& k,
                            const at::Tensor& v,
                            const at::Tensor& cos,
                            const at::Tensor& sin,
                            const LinearAttentionOptions& options) {
  check_arguments("nala::linear_attention", {q, k, v, cos, sin});
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const auto table = [](const at::Tensor& x) {
    return x.defined() ? std::optional(x) : std::nullopt;
  };
  return LinearAttention::apply(q, k, v, table(cos), table(sin), options);
}

}  // namespace nala::ops
