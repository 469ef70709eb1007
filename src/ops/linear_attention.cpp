#include "ops/linear_attention.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/arguments.h"
#include "ops/linear_attention_kernels.h"
#include "ops/once_differentiable.h"

namespace nala::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What a call keeps for its backward besides tensors: the problem without its tensors.
struct Call : torch::CustomClassHolder {
  Call(const Problem& problem, std::string_view name) : settings(problem), implementation(name) {
    settings.q = settings.k = settings.v = settings.cos = settings.sin = at::Tensor();
  }
  Problem settings;
  std::string implementation;
};

class LinearAttention : public torch::autograd::Function<LinearAttention> {
 public:
  // q, k and v are arguments of their own because only those are differentiated.
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& q,
                            const at::Tensor& k,
                            const at::Tensor& v,
                            const Problem& problem,
                            std::string_view implementation) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    Forward result = dispatch_forward(problem, implementation);
    variable_list kept = {q, k, v, problem.cos, problem.sin};
    kept.insert(kept.end(), result.saved.begin(), result.saved.end());
    context->save_for_backward(std::move(kept));
    context->saved_data["call"] =
        c10::IValue::make_capsule(c10::make_intrusive<Call>(problem, implementation));
    return result.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& dy) {
    const auto call =
        c10::static_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
    const variable_list kept = context->get_saved_variables();
    Problem problem = call->settings;
    problem.q = kept[0];
    problem.k = kept[1];
    problem.v = kept[2];
    problem.cos = kept[3];
    problem.sin = kept[4];
    const Forward forward{.y = {}, .saved = {kept.begin() + 5, kept.end()}};
    Gradients gradients;
    {
      const at::AutoDispatchBelowADInplaceOrView below_autograd;
      gradients = dispatch_backward(problem, forward, dy[0], call->implementation);
    }
    variable_list all =
        once_differentiable("nala::linear_attention", {gradients.dq, gradients.dk, gradients.dv});
    all.resize(5);  // none for the problem and the name
    return all;
  }
};

}  // namespace

at::Tensor linear_attention(const Problem& problem, std::string_view implementation) {
  check_arguments("nala::linear_attention",
                  {problem.q, problem.k, problem.v, problem.cos, problem.sin});
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  RECORD_FUNCTION("nala::linear_attention",
                  std::vector<c10::IValue>({problem.q, problem.k, problem.v}));
  return LinearAttention::apply(problem.q, problem.k, problem.v, problem, implementation);
}

at::Tensor linear_attention(const at::Tensor& q,
                            const at::Tensor& k,
                            const at::Tensor& v,
                            const at::Tensor& cos,
                            const at::Tensor& sin,
                            const LinearAttentionOptions& options) {
  const Problem problem{.q = q,
                        .k = k,
                        .v = v,
                        .cos = cos,
                        .sin = sin,
                        .map = options.map,
                        .norm_aware = options.norm_aware,
                        .lambd = options.lambd,
                        .tau = options.tau,
                        .alpha = options.alpha,
                        .eps = options.eps};
  return linear_attention(problem, options.implementation);
}

}  // namespace nala::ops
