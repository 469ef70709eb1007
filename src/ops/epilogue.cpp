#include "ops/epilogue.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/epilogue_kernels.h"
#include "ops/once_differentiable.h"

namespace nala::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = std::optional<at::Tensor>;

class AttentionEpilogue : public torch::autograd::Function<AttentionEpilogue> {
 public:
  // One parameter per tensor, because that is what autograd looks at.
  static at::Tensor forward(AutogradContext* context,
                            const at::Tensor& y,
                            const OptionalTensor& lepe,
                            const OptionalTensor& gate,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            double eps) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    const Epilogue epilogue{
        y, lepe.value_or(at::Tensor()), gate.value_or(at::Tensor()), weight, bias, eps};
    const EpilogueResult result = dispatch_epilogue_forward(epilogue);
    context->save_for_backward(
        {y, epilogue.lepe, epilogue.gate, weight, bias, result.mean, result.rstd});
    return result.out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& dout) {
    const variable_list kept = context->get_saved_variables();
    const Epilogue epilogue{kept[0], kept[1], kept[2], kept[3], kept[4]};
    const at::Tensor& lepe = epilogue.lepe;
    EpilogueGradients gradients;
    at::Tensor dlepe;
    {
      const at::AutoDispatchBelowADInplaceOrView below_autograd;
      gradients = dispatch_epilogue_backward(epilogue, {{}, kept[5], kept[6]}, dout[0]);
      dlepe = lepe.defined() ? gradients.dx.to(lepe.scalar_type()) : at::Tensor();
      gradients.dgate = epilogue.gate.defined() ? gradients.dgate : at::Tensor();
    }
    variable_list all = once_differentiable(
        "nala::attention_epilogue",
        {gradients.dx, dlepe, gradients.dgate, gradients.dweight, gradients.dbias});
    all.resize(6);  // none for eps
    return all;
  }
};

}  // namespace

at::Tensor attention_epilogue(const Epilogue& e) {
  check_epilogue(e);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const auto or_none = [](const at::Tensor& x) {
    return x.defined() ? OptionalTensor(x) : std::nullopt;
  };
  RECORD_FUNCTION("nala::attention_epilogue",
                  std::vector<c10::IValue>({e.y, e.lepe, e.gate, e.weight, e.bias}));
  return AttentionEpilogue::apply(e.y, or_none(e.lepe), or_none(e.gate), e.weight, e.bias, e.eps);
}

}  // namespace nala::ops
