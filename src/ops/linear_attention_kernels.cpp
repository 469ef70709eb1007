#include "ops/linear_attention_kernels.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <limits>

#include "ops/arguments.h"

namespace nala::ops {
namespace {

at::Tensor or_undefined(const OptionalTensor& x) {
  return x.value_or(at::Tensor());
}

OptionalTensor or_none(const at::Tensor& x) {
  return x.defined() ? OptionalTensor(x) : std::nullopt;
}

// state (B, h, f, d), key mean (B, h, f), normaliser (B, h, N), with f the width of a feature.
std::vector<at::Tensor> empty_saved(const at::Tensor& q, FeatureMap map) {
  const c10::SymIntArrayRef size = q.sym_sizes();
  const c10::SymInt width = size[3] * halves_of(map);
  const auto options = q.options().dtype(compute_type(q.scalar_type()));
  return {at::empty_symint({size[0], size[1], width, size[3]}, options),
          at::empty_symint({size[0], size[1], width}, options),
          at::empty_symint({size[0], size[1], size[2]}, options)};
}

// The dispatcher wants to know how many tensors come back without asking which implementation makes
// them. NaN, so that a backward that reads what its forward did not keep cannot pass unseen.
std::vector<at::Tensor> unkept(const Problem& problem) {
  std::vector<at::Tensor> saved = empty_saved(problem.q, problem.map);
  for (at::Tensor& x : saved) {
    x.fill_(std::numeric_limits<double>::quiet_NaN());
  }
  return saved;
}

template <class Schema>
c10::TypedOperatorHandle<Schema> operator_handle(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Schema>();
}

}  // namespace

ForwardTuple linear_attention_forward(const at::Tensor& q,
                                      const at::Tensor& k,
                                      const at::Tensor& v,
                                      const OptionalTensor& cos,
                                      const OptionalTensor& sin,
                                      std::string_view feature_map,
                                      bool norm_aware,
                                      double lambd,
                                      double tau,
                                      double alpha,
                                      double eps,
                                      std::string_view implementation) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const FeatureMap map = feature_map_or_throw(feature_map);
  const Problem problem{
      q, k, v, or_undefined(cos), or_undefined(sin), map, norm_aware, lambd, tau, alpha, eps};
  check_arguments("nala::linear_attention", {q, k, v, problem.cos, problem.sin});
  Forward result = choose_implementation(implementation, problem).forward(problem);
  if (result.saved.empty()) {
    result.saved = unkept(problem);
  }
  return {tokens_first(result.y), std::move(result.saved)};
}

GradientTuple linear_attention_backward(const at::Tensor& dy,
                                        const at::Tensor& q,
                                        const at::Tensor& k,
                                        const at::Tensor& v,
                                        const OptionalTensor& cos,
                                        const OptionalTensor& sin,
                                        at::TensorList saved,
                                        std::string_view feature_map,
                                        bool norm_aware,
                                        double lambd,
                                        double tau,
                                        double alpha,
                                        double eps,
                                        std::string_view implementation) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const FeatureMap map = feature_map_or_throw(feature_map);
  const Problem problem{
      q, k, v, or_undefined(cos), or_undefined(sin), map, norm_aware, lambd, tau, alpha, eps};
  check_arguments("nala::linear_attention", {q, k, v, problem.cos, problem.sin});
  check_gradient("nala::linear_attention", dy, q);
  const Forward forward{.y = {}, .saved = saved.vec()};
  const Gradients gradients =
      choose_implementation(implementation, problem).backward(problem, forward, dy);
  return {tokens_first(gradients.dq), tokens_first(gradients.dk), tokens_first(gradients.dv)};
}

ForwardTuple linear_attention_forward_meta(const at::Tensor& q,
                                           const at::Tensor& k,
                                           const at::Tensor& v,
                                           const OptionalTensor& cos,
                                           const OptionalTensor& sin,
                                           std::string_view feature_map,
                                           bool,
                                           double,
                                           double,
                                           double,
                                           double,
                                           std::string_view) {
  check_arguments("nala::linear_attention", {q, k, v, or_undefined(cos), or_undefined(sin)});
  return {empty_tokens_first(q), empty_saved(q, feature_map_or_throw(feature_map))};
}

GradientTuple linear_attention_backward_meta(const at::Tensor& dy,
                                             const at::Tensor& q,
                                             const at::Tensor& k,
                                             const at::Tensor& v,
                                             const OptionalTensor& cos,
                                             const OptionalTensor& sin,
                                             at::TensorList,
                                             std::string_view,
                                             bool,
                                             double,
                                             double,
                                             double,
                                             double,
                                             std::string_view) {
  check_arguments("nala::linear_attention", {q, k, v, or_undefined(cos), or_undefined(sin)});
  check_gradient("nala::linear_attention", dy, q);
  return {empty_tokens_first(q), empty_tokens_first(k), empty_tokens_first(v)};
}

Forward dispatch_forward(const Problem& p, std::string_view implementation) {
  static const auto handle = operator_handle<ForwardSchema>("nala::linear_attention_forward");
  auto [y, saved] = handle.call(p.q, p.k, p.v, or_none(p.cos), or_none(p.sin),
                                kFeatureMapNames[static_cast<size_t>(p.map)], p.norm_aware, p.lambd,
                                p.tau, p.alpha, p.eps, implementation);
  return {std::move(y), std::move(saved)};
}

Gradients dispatch_backward(const Problem& p,
                            const Forward& forward,
                            const at::Tensor& dy,
                            std::string_view implementation) {
  static const auto handle = operator_handle<BackwardSchema>("nala::linear_attention_backward");
  auto [dq, dk, dv] = handle.call(dy, p.q, p.k, p.v, or_none(p.cos), or_none(p.sin), forward.saved,
                                  kFeatureMapNames[static_cast<size_t>(p.map)], p.norm_aware,
                                  p.lambd, p.tau, p.alpha, p.eps, implementation);
  return {std::move(dq), std::move(dk), std::move(dv)};
}

}  // namespace nala::ops
