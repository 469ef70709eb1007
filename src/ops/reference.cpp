#include "ops/reference.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <numbers>

#include "ops/arguments.h"
#include "ops/rope.h"

namespace nala::ops {
namespace {

// base^exponent for base >= 0; exactly 0, with gradient 0 for base and exponent, where base is 0. A
// NaN in the base is no 0 and stays.
at::Tensor positive_power(const at::Tensor& base, const at::Tensor& exponent) {
  const at::Tensor zero = base.eq(0);
  // The inner fill keeps 0 away from the derivative, which would be NaN times the outer 0.
  return base.masked_fill(zero, 1).pow(exponent).masked_fill(zero, 0);
}

struct Decomposed {
  at::Tensor direction;  // (B, h, N, d): x/|x|; 0 with gradient 0 where |x| is 0 or infinite
  at::Tensor norm;       // (B, h, N, 1): |x|; 1 with gradient 0 there
  at::Tensor measured;   // (B, h, N, 1): |x| as computed, without gradient
};

Decomposed decompose(const at::Tensor& x) {
  const at::Tensor measured = x.detach().square().sum(-1, true).sqrt();
  const at::Tensor dropped = measured.eq(0).logical_or(measured.isinf());
  const at::Tensor kept = x.masked_fill(dropped, 0);
  const at::Tensor norm = kept.square().sum(-1, true).masked_fill(dropped, 1).sqrt();
  return {kept / norm, norm, measured};
}

// p = lambda (tau + tanh |q|), (B, h, N, 1); lambda without norm awareness.
at::Tensor query_exponent(const Problem& problem, const at::Tensor& norm) {
  if (!problem.norm_aware) {
    return at::full_like(norm, problem.lambd);
  }
  return problem.lambd * (problem.tau + norm.tanh());
}

// [x where sign > 0 ; x where sign < 0], (..., 2d). NaN of the sign goes to both.
at::Tensor split_by_sign(const at::Tensor& x, const at::Tensor& sign) {
  return at::cat({x.masked_fill(sign.le(0), 0), x.masked_fill(sign.ge(0), 0)}, -1);
}

Features relu_split_features(const Problem& problem) {
  const Decomposed q = decompose(problem.q);
  const at::Tensor power = positive_power(q.direction.abs(), query_exponent(problem, q.norm));
  return {split_by_sign(power, q.direction),
          split_by_sign(problem.k.abs().pow(problem.lambd), problem.k)};
}

// [x cos t ; x sin t] with t = pi/4 tanh(alpha u), (B, h, N, 2d). Paper v1, eq. 8-17.
at::Tensor cosine_halves(const at::Tensor& x, const at::Tensor& direction, double alpha) {
  const at::Tensor theta = std::numbers::pi / 4 * (alpha * direction).tanh();
  return at::cat({x * theta.cos(), x * theta.sin()}, -1);
}

Features cosine_features(const Problem& problem) {
  const Decomposed q = decompose(problem.q);
  const Decomposed k = decompose(problem.k);
  const at::Tensor q_power = positive_power(q.direction.abs(), query_exponent(problem, q.norm));
  const at::Tensor k_power = problem.k.masked_fill(k.measured.eq(0), 0).abs().pow(problem.lambd);
  return {cosine_halves(q_power, q.direction, problem.alpha),
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

// Both halves of a 2d-wide feature rotate by the table of d channels.
at::Tensor rotate_features(const at::Tensor& features, const Problem& problem) {
  if (!problem.cos.defined()) {
    return features;
  }
  const int64_t halves = features.size(-1) / problem.q.size(-1);
  const auto widened = [&](const at::Tensor& table) {
    return table.to(features.scalar_type()).repeat({1, halves});  // (N, f)
  };
  return rotate(features, widened(problem.cos), widened(problem.sin));
}

// The problem with q, k, v in the dtype that it is computed in.
Problem widened(const Problem& problem) {
  Problem wide = problem;
  const at::ScalarType dtype = compute_type(problem.q.scalar_type());
  for (at::Tensor* x : {&wide.q, &wide.k, &wide.v}) {
    *x = x->to(dtype);
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
      return {elu_features(problem.q), elu_features(problem.k)};
    case FeatureMap::relu:
      return {problem.q.relu(), problem.k.relu()};
    case FeatureMap::focused:
      return {focused_features(problem.q), focused_features(problem.k)};
  }
  TORCH_CHECK(false, "unknown feature map ", static_cast<int>(problem.map));
}

at::Tensor reference_linear_attention(const Problem& given) {
  const Problem problem = widened(given);
  const auto [phi_q, phi_k] = reference_features(problem);                   // (B, h, N, f)
  const at::Tensor mean = phi_k.mean(2, true);                               // (B, h, 1, f)
  const at::Tensor normaliser = at::matmul(phi_q, mean.mT()) + problem.eps;  // (B, h, N, 1)
  const double scale = 1.0 / static_cast<double>(problem.q.size(2));
  const at::Tensor state =
      at::matmul(rotate_features(phi_k, problem).mT(), problem.v) * scale;  // (B, h, f, d)
  const at::Tensor y = at::matmul(rotate_features(phi_q, problem), state) / normaliser;
  return tokens_first(y).to(given.q.scalar_type());
}

Forward reference_forward(const Problem& problem) {
  const at::NoGradGuard no_grad;
  return {reference_linear_attention(problem), {}};
}

Gradients reference_backward(const Problem& problem, const Forward&, const at::Tensor& dy) {
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
