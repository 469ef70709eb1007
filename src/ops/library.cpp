// The operators as PyTorch's dispatcher, hence Python, knows them: torch.ops.nala.*.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <string>

#include "ops/linear_attention.h"
#include "ops/softmax_attention.h"

namespace nala::ops {
namespace {

using Table = std::optional<at::Tensor>;

LinearAttentionOptions named(const std::string& feature_map) {
  const std::optional<FeatureMap> map = feature_map_named(feature_map);
  TORCH_CHECK(map, "nala::linear_attention: feature_map '", feature_map,
              "'; known: relu_split cosine elu relu focused");
  return {.map = *map};
}

// The dispatcher unpacks its schema into this list, one parameter per argument.
at::Tensor call_linear_attention(const at::Tensor& q,
                                 const at::Tensor& k,
                                 const at::Tensor& v,
                                 const Table& cos,
                                 const Table& sin,
                                 std::string feature_map,
                                 bool norm_aware,
                                 double lambd,
                                 double tau,
                                 double alpha,
                                 double eps) {
  LinearAttentionOptions options = named(feature_map);
  options.norm_aware = norm_aware;
  options.lambd = lambd;
  options.tau = tau;
  options.alpha = alpha;
  options.eps = eps;
  return linear_attention(q, k, v, cos.value_or(at::Tensor()), sin.value_or(at::Tensor()), options);
}

at::Tensor call_softmax_attention(const at::Tensor& q,
                                  const at::Tensor& k,
                                  const at::Tensor& v,
                                  const Table& cos,
                                  const Table& sin) {
  return softmax_attention(q, k, v, cos.value_or(at::Tensor()), sin.value_or(at::Tensor()));
}

}  // namespace
}  // namespace nala::ops

TORCH_LIBRARY(nala, library) {
  library.def(
      "linear_attention(Tensor q, Tensor k, Tensor v, Tensor? cos, Tensor? sin, "
      "str feature_map=\"relu_split\", bool norm_aware=True, float lambd=3.0, float tau=0.5, "
      "float alpha=20.0, float eps=1e-6) -> Tensor",
      TORCH_FN(nala::ops::call_linear_attention));
  library.def("softmax_attention(Tensor q, Tensor k, Tensor v, Tensor? cos, Tensor? sin) -> Tensor",
              TORCH_FN(nala::ops::call_softmax_attention));
}
