#include "ops/reference.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <numbers>

#include "ops/arguments.h"
#include "ops/rope.h"

namespace nala::ops {
namespace {

// |x|^exponent; 0, with gradient 0, where x is 0. `smooth`: every exponent is above 1, so that the
// derivative of the power is that by itself. A NaN stays one.
at::Tensor magnitude_power(const at::Tensor& x, const at::Tensor& exponent, bool smooth) {
  if (smooth) {
    return x.abs().pow(exponent);
  }
  const at::Tensor zero = x.eq(0);
  // The inner fill keeps 0 away from the derivative, which would be infinity times the outer 0.
  return x.abs().masked_fill(zero, 1).pow(exponent).masked_fill(zero, 0);
}

struct Decomposed {
  at::Tensor direction;  // (B, h, N, d): x/|x|; 0 with gradient 0 where |x| is 0 or infinite
  at::Tensor norm;       // (B, h, N, 1): |x|; 1 with gradient 0 there
  at::Tensor zero;       // (B, h, N, 1): where |x| is 0
};

Decomposed decompose(const at::Tensor& x) {
  const at::Tensor measured = x.detach().square().sum(-1, true).sqrt();
  const at::Tensor zero = measured.eq(0);
  const at::Tensor dropped = zero.logical_or(measured.isinf());
  const at::Tensor kept = x.masked_fill(dropped, 0);
  const at::Tensor norm = at::linalg_vector_norm(kept, 2, -1, true).masked_fill(dropped, 1);
  return {kept / norm, norm, zero};
}

// |u|^p with p = lambda (tau + tanh |q|), or lambda without norm awareness.
at::Tensor query_power(const Problem& problem, const Decomposed& q) {
  if (!problem.norm_aware) {
    return magnitude_power(q.direction, at::full_like(q.norm, problem.lambd), problem.lambd > 1);
  }
  const at::Tensor exponent = problem.lambd * (problem.tau + q.norm.tanh());  // (B, h, N, 1)
  return magnitude_power(q.direction, exponent, problem.lambd * problem.tau > 1);
}

// |k|^lambda, lambda >= 1.
at::Tensor key_power(const at::Tensor& k, double lambd) {
  return k.abs().pow(lambd);
}

// x where `sign` is positive, x where it is negative.
Halves split_by_sign(const at::Tensor& x, const at::Tensor& sign) {
  const at::Tensor with_sign = x * sign.detach().sgn();
  return {with_sign.relu(), with_sign.neg().relu()};
}

Features relu_split_features(const Problem& problem) {
  const Decomposed q = decompose(problem.q);
  return {split_by_sign(query_power(problem, q), q.direction),
          split_by_sign(key_power(problem.k, problem.lambd), problem.k)};
}

// x cos t and x sin t with t = pi/4 tanh(alpha u). Paper v1, eq. 8-17.
Halves cosine_halves(const at::Tensor& x, const at::Tensor& direction, double alpha) {
  const at::Tensor theta = std::numbers::pi / 4 * (alpha * direction).tanh();
  return {x * theta.cos(), x * theta.sin()};
}

Features cosine_features(const Problem& problem) {
  const Decomposed q = decompose(problem.q);
  const Decomposed k = decompose(problem.k);
  const at::Tensor k_power = key_power(problem.k.masked_fill(k.zero, 0), problem.lambd);
  return {cosine_halves(query_power(problem, q), q.direction, problem.alpha),
          cosine_halves(k_power, k.direction, problem.alpha)};
}

at::Tensor elu_features(const at::Tensor& x) {
  return 1 + at::elu(x);
}

at::Tensor focused_features(const at::Tensor& x) {
  const at::Tensor r = x.relu();
  const at::Tensor cube_square = r.pow(3).square().sum(-1, true);  // (B, h, N, 1)
  const at::Tensor zero = cube_square.detach().eq(0);
  const at::Tensor square = r.square().sum(-1, true).masked_fill(zero, 1);
  return (r * (square / cube_square.masked_fill(zero, 1)).sqrt()).masked_fill(zero, 0);
}

// The problem in the dtype that it is computed in.
Problem widened(const Problem& problem) {
  Problem wide = problem;
  const at::ScalarType dtype = compute_type(problem.q.scalar_type());
  for (at::Tensor* x : {&wide.q, &wide.k, &wide.v, &wide.cos, &wide.sin}) {
    *x = x->defined() ? x->to(dtype) : *x;
  }
  return wide;
}

}  // namespace

Features reference_features(const Problem& problem) {
  switch (problem.map) {
    case FeatureMap::relu_split:
      return relu_split_features(problem);
    case FeatureMap::cosine:
      return cosine_features(problem);
    case FeatureMap::elu:
      return {{elu_features(problem.q)}, {elu_features(problem.k)}};
    case FeatureMap::relu:
      return {{problem.q.relu()}, {problem.k.relu()}};
    case FeatureMap::focused:
      return {{focused_features(problem.q)}, {focused_features(problem.k)}};
  }
  TORCH_CHECK(false, "unknown feature map ", static_cast<int>(problem.map));
}

at::Tensor reference_linear_attention(const Problem& given) {
  const Problem problem = widened(given);
  const auto [phi_q, phi_k] = reference_features(problem);
  const double scale = 1.0 / static_cast<double>(problem.q.size(2));
  const auto rotated = [&](const at::Tensor& x) { return rotate(x, problem.cos, problem.sin); };
  at::Tensor normaliser;  // (B, h, N, 1)
  at::Tensor numerator;   // (B, h, N, d)
  const auto add = [](at::Tensor& sum, const at::Tensor& term) {
    sum = sum.defined() ? sum + term : term;
  };
  // Sums over the channels of all halves, half by half.
  for (size_t half = 0; half < phi_q.size(); ++half) {
    const at::Tensor mean = phi_k[half].mean(2, true);  // (B, h, 1, d)
    add(normaliser, at::matmul(phi_q[half], mean.mT()));
    const at::Tensor state =
        at::matmul(rotated(phi_k[half]).mT(), problem.v) * scale;  // (B, h, d, d)
    add(numerator, at::matmul(rotated(phi_q[half]), state));
  }
  return tokens_first(numerator / (normaliser + problem.eps)).to(given.q.scalar_type());
}

Forward reference_forward(const Problem& problem) {
  const at::NoGradGuard no_grad;
  return {reference_linear_attention(problem), {}};
}

Gradients reference_backward(const Problem& problem, const Forward&, const at::Tensor& dy) {
  // The dispatcher calls kernels below autograd, which this one needs.
  c10::impl::LocalDispatchKeySet keys = c10::impl::tls_local_dispatch_key_set();
  keys.excluded_ = keys.excluded_ - c10::autograd_dispatch_keyset_with_ADInplaceOrView;
  const c10::impl::ForceDispatchKeyGuard with_autograd(keys);
  const at::AutoGradMode enable(true);
  Problem leaves = problem;
  for (at::Tensor* x : {&leaves.q, &leaves.k, &leaves.v}) {
    *x = x->detach().requires_grad_();
  }
  const auto gradients = torch::autograd::grad({reference_linear_attention(leaves)},
                                               {leaves.q, leaves.k, leaves.v}, {dy});
  return {gradients[0], gradients[1], gradients[2]};
}

}  // namespace nala::ops
