// The linear attention operator line by line as the specification has it: what every faster
// implementation is measured against.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/export.h"
#include "ops/implementations.h"

namespace nala::ops {

/// Linear attention with norm-aware feature maps and rotation of the numerator, differentiable by
/// ATen's autograd.
///
///   z_n = 1 / (phi_q(n) . mean_m phi_k(m) + eps)
///   S   = sum_m R(phi_k(m))^T v_m / N
///   y_n = (R(phi_q(n)) S) z_n
///
/// Returns (B, h, N, d) with memory order (B, N, h, d). Half-precision inputs are computed in
/// float32, float64 stays float64; the result has q's dtype. Thread-safe.
///
/// Source: paper v1, eq. 8-17, and the released code, whose split of the sum by N^-1/2 on both
/// factors gives the same value. Deliberate difference: a query whose norm comes out 0 or infinite
/// has phi 0, hence y 0 and gradient 0, where the released code gives NaN.
NALA_OPS_API at::Tensor reference_linear_attention(const Problem& problem);

/// A feature as its d-wide parts, (B, h, N, d) each: two for relu_split and cosine, else one.
using Halves = std::vector<at::Tensor>;
struct Features {
  Halves q, k;
};

/// Features of queries and keys. With the unit vector u(x) = x/|x| and the exponent
/// p = lambda (tau + tanh |q|), or lambda without norm awareness:
///
///   relu_split  q: relu(u)^p, relu(-u)^p              k: relu(k)^lambda, relu(-k)^lambda
///   cosine      q: |u|^p cos t, |u|^p sin t           k: |k|^lambda cos t, |k|^lambda sin t
///               t = pi/4 tanh(alpha u(x))
///   elu         1 + elu(x)
///   relu        relu(x)
///   focused     r |r| / |r^3|, r = relu(x); 0 where r = 0
///
/// Powers of exactly 0 have gradient 0; a key row of norm 0 has cosine features 0 with gradient 0.
/// Every product phi_q . phi_k is >= 0; all features are, but for the sines of the cosine map.
NALA_OPS_API NALA_OPS_API Features reference_features(const Problem& problem);

/// The table's functions: the backward computes the forward again and differentiates it, so that
/// nothing but the inputs is kept.
Forward reference_forward(const Problem& problem);
Gradients reference_backward(const Problem& problem, const Forward& forward, const at::Tensor& dy);

}  // namespace nala::ops
