#include "ops/softmax_attention.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include "ops/arguments.h"
#include "ops/rope.h"

namespace nala::ops {

at::Tensor softmax_attention(const at::Tensor& q,
                             const at::Tensor& k,
                             const at::Tensor& v,
                             const at::Tensor& cos,
                             const at::Tensor& sin) {
  check_arguments("nala::softmax_attention", {q, k, v, cos, sin});
  RECORD_FUNCTION("nala::softmax_attention", std::vector<c10::IValue>({q, k, v}));
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::ScalarType dtype = compute_type(q.scalar_type());
  const auto widened = [&](const at::Tensor& x) { return x.defined() ? x.to(dtype) : x; };
  const at::Tensor wide_cos = widened(cos);
  const at::Tensor wide_sin = widened(sin);
  const at::Tensor y = at::scaled_dot_product_attention(rotate(widened(q), wide_cos, wide_sin),
                                                        rotate(widened(k), wide_cos, wide_sin),
                                                        widened(v));  // scale 1/sqrt(d)
  return tokens_first(y).to(q.scalar_type());
}

}  // namespace nala::ops
