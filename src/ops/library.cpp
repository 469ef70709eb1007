// The operators as PyTorch's dispatcher, hence Python, knows them: torch.ops.nala.*.
//
// linear_attention is public; linear_attention_forward and _backward are what it consists of, and
// what a graph traced by torch.compile holds. Their kernels: the table of ops/implementations.h on
// every device, unless a device registers its own (libnala_cuda.so does for CUDA), and Meta.
// `saved` is always three tensors, those that Forward::saved in ops/implementations.h describes; y
// and the gradients have memory order (B, N, h, d). cos and sin have no gradient.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/library.h>

#include <string>

#include "ops/arguments.h"
#include "ops/cpu/epilogue.h"
#include "ops/epilogue.h"
#include "ops/epilogue_kernels.h"
#include "ops/linear_attention.h"
#include "ops/linear_attention_kernels.h"
#include "ops/softmax_attention.h"

namespace nala::ops {
namespace {

// The dispatcher unpacks its schema into this list, one parameter per argument.
template <at::Tensor (*Run)(const Problem&)>
at::Tensor with_problem(const at::Tensor& q,
                        const at::Tensor& k,
                        const at::Tensor& v,
                        const OptionalTensor& cos,
                        const OptionalTensor& sin,
                        std::string_view feature_map,
                        bool norm_aware,
                        double lambd,
                        double tau,
                        double alpha,
                        double eps) {
  return Run({.q = q,
              .k = k,
              .v = v,
              .cos = cos.value_or(at::Tensor()),
              .sin = sin.value_or(at::Tensor()),
              .map = feature_map_or_throw(feature_map),
              .norm_aware = norm_aware,
              .lambd = lambd,
              .tau = tau,
              .alpha = alpha,
              .eps = eps});
}

at::Tensor with_gradients(const Problem& problem) {
  return linear_attention(problem, "auto");
}

at::Tensor without_gradients(const Problem& problem) {
  return dispatch_forward(problem, "auto").y;
}

// Casts to the widest dtype of all, as autocast's "promote" does; one dtype stays.
void promote(std::initializer_list<at::Tensor*> tensors) {
  at::ScalarType widest = (*tensors.begin())->scalar_type();
  for (const at::Tensor* x : tensors) {
    widest = at::promote_types(widest, x->scalar_type());
  }
  for (at::Tensor* x : tensors) {
    *x = x->to(widest);
  }
}

at::Tensor under_autocast(const Problem& problem) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  Problem promoted = problem;
  promote({&promoted.q, &promoted.k, &promoted.v});
  return linear_attention(promoted, "auto");
}

at::Tensor call_softmax_attention(const at::Tensor& q,
                                  const at::Tensor& k,
                                  const at::Tensor& v,
                                  const OptionalTensor& cos,
                                  const OptionalTensor& sin) {
  return softmax_attention(q, k, v, cos.value_or(at::Tensor()), sin.value_or(at::Tensor()));
}

at::Tensor softmax_under_autocast(const at::Tensor& q,
                                  const at::Tensor& k,
                                  const at::Tensor& v,
                                  const OptionalTensor& cos,
                                  const OptionalTensor& sin) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  at::Tensor promoted_q = q;
  at::Tensor promoted_k = k;
  at::Tensor promoted_v = v;
  promote({&promoted_q, &promoted_k, &promoted_v});
  return call_softmax_attention(promoted_q, promoted_k, promoted_v, cos, sin);
}

Epilogue epilogue_of(const at::Tensor& y,
                     const OptionalTensor& lepe,
                     const OptionalTensor& gate,
                     const at::Tensor& weight,
                     const at::Tensor& bias) {
  return {y, lepe.value_or(at::Tensor()), gate.value_or(at::Tensor()), weight, bias};
}

at::Tensor call_epilogue(const at::Tensor& y,
                         const OptionalTensor& lepe,
                         const OptionalTensor& gate,
                         const at::Tensor& weight,
                         const at::Tensor& bias,
                         double eps) {
  Epilogue epilogue = epilogue_of(y, lepe, gate, weight, bias);
  epilogue.eps = eps;
  return attention_epilogue(epilogue);
}

at::Tensor call_epilogue_without_gradients(const at::Tensor& y,
                                           const OptionalTensor& lepe,
                                           const OptionalTensor& gate,
                                           const at::Tensor& weight,
                                           const at::Tensor& bias,
                                           double eps) {
  Epilogue epilogue = epilogue_of(y, lepe, gate, weight, bias);
  epilogue.eps = eps;
  return dispatch_epilogue_forward(epilogue).out;
}

template <EpilogueResult (*Run)(const Epilogue&)>
std::tuple<at::Tensor, at::Tensor, at::Tensor> epilogue_forward(const at::Tensor& y,
                                                                const OptionalTensor& lepe,
                                                                const OptionalTensor& gate,
                                                                const at::Tensor& weight,
                                                                const at::Tensor& bias,
                                                                double eps) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  Epilogue epilogue = epilogue_of(y, lepe, gate, weight, bias);
  epilogue.eps = eps;
  check_epilogue(epilogue);
  const EpilogueResult result = Run(epilogue);
  return {result.out, result.mean, result.rstd};
}

template <EpilogueGradients (*Run)(const Epilogue&, const EpilogueResult&, const at::Tensor&)>
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> epilogue_backward(
    const at::Tensor& dout,
    const at::Tensor& y,
    const OptionalTensor& lepe,
    const OptionalTensor& gate,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const at::Tensor& mean,
    const at::Tensor& rstd) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const Epilogue epilogue = epilogue_of(y, lepe, gate, weight, bias);
  const EpilogueResult result{.out = {}, .mean = mean, .rstd = rstd};
  check_epilogue_backward(epilogue, result, dout);
  const EpilogueGradients gradients = Run(epilogue, result, dout);
  return {gradients.dx, gradients.dgate, gradients.dweight, gradients.dbias};
}

void register_autocast(torch::Library& library) {
  library.impl("linear_attention", TORCH_FN(with_problem<under_autocast>));
  library.impl("softmax_attention", TORCH_FN(softmax_under_autocast));
}

}  // namespace
}  // namespace nala::ops

TORCH_LIBRARY(nala, library) {
  library.def(
      "linear_attention(Tensor q, Tensor k, Tensor v, Tensor? cos, Tensor? sin, "
      "str feature_map=\"relu_split\", bool norm_aware=True, float lambd=3.0, float tau=0.5, "
      "float alpha=20.0, float eps=1e-6) -> Tensor");
  library.def(
      "linear_attention_forward(Tensor q, Tensor k, Tensor v, Tensor? cos, Tensor? sin, "
      "str feature_map, bool norm_aware, float lambd, float tau, float alpha, float eps, "
      "str implementation) -> (Tensor y, Tensor[] saved)");
  library.def(
      "linear_attention_backward(Tensor dy, Tensor q, Tensor k, Tensor v, Tensor? cos, "
      "Tensor? sin, Tensor[] saved, str feature_map, bool norm_aware, float lambd, float tau, "
      "float alpha, float eps, str implementation) -> (Tensor dq, Tensor dk, Tensor dv)");
  library.def("softmax_attention(Tensor q, Tensor k, Tensor v, Tensor? cos, Tensor? sin) -> Tensor",
              TORCH_FN(nala::ops::call_softmax_attention));
  library.def(
      "attention_epilogue(Tensor y, Tensor? lepe, Tensor? gate, Tensor weight, Tensor bias, "
      "float eps=1e-5) -> Tensor");
  library.def(
      "attention_epilogue_forward(Tensor y, Tensor? lepe, Tensor? gate, Tensor weight, "
      "Tensor bias, float eps) -> (Tensor out, Tensor mean, Tensor rstd)");
  library.def(
      "attention_epilogue_backward(Tensor dout, Tensor y, Tensor? lepe, Tensor? gate, "
      "Tensor weight, Tensor bias, Tensor mean, Tensor rstd) -> "
      "(Tensor dy_plus_lepe, Tensor dgate, Tensor dweight, Tensor dbias)");
}

TORCH_LIBRARY_IMPL(nala, CompositeExplicitAutograd, library) {
  using namespace nala::ops;
  library.impl("linear_attention", TORCH_FN(with_problem<without_gradients>));
  library.impl("linear_attention_forward", TORCH_FN(linear_attention_forward));
  library.impl("linear_attention_backward", TORCH_FN(linear_attention_backward));
  library.impl("attention_epilogue", TORCH_FN(call_epilogue_without_gradients));
  library.impl("attention_epilogue_forward",
               TORCH_FN(epilogue_forward<reference_epilogue_forward>));
  library.impl("attention_epilogue_backward",
               TORCH_FN(epilogue_backward<reference_epilogue_backward>));
}

TORCH_LIBRARY_IMPL(nala, CPU, library) {
  using namespace nala::ops;
  library.impl("attention_epilogue_forward", TORCH_FN(epilogue_forward<cpu::epilogue_forward>));
  library.impl("attention_epilogue_backward", TORCH_FN(epilogue_backward<cpu::epilogue_backward>));
}

TORCH_LIBRARY_IMPL(nala, Meta, library) {
  using namespace nala::ops;
  library.impl("linear_attention_forward", TORCH_FN(linear_attention_forward_meta));
  library.impl("linear_attention_backward", TORCH_FN(linear_attention_backward_meta));
  library.impl("attention_epilogue_forward", TORCH_FN(epilogue_forward<meta_epilogue_forward>));
  library.impl("attention_epilogue_backward", TORCH_FN(epilogue_backward<meta_epilogue_backward>));
}

TORCH_LIBRARY_IMPL(nala, Autograd, library) {
  library.impl("linear_attention", TORCH_FN(nala::ops::with_problem<nala::ops::with_gradients>));
  library.impl("attention_epilogue", TORCH_FN(nala::ops::call_epilogue));
}

TORCH_LIBRARY_IMPL(nala, AutocastCPU, library) {
  nala::ops::register_autocast(library);
}

TORCH_LIBRARY_IMPL(nala, AutocastCUDA, library) {
  nala::ops::register_autocast(library);
}
