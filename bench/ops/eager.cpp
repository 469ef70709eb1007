#include "eager.h"

#include <torch/torch.h>

namespace nala::bench {
namespace {

at::Tensor swapped(const at::Tensor& x) {
  const at::Tensor pairs = x.unflatten(-1, {x.size(-1) / 2, 2});
  return at::stack({-pairs.select(-1, 1), pairs.select(-1, 0)}, -1).flatten(-2);
}

at::Tensor rotated(const at::Tensor& x, const ops::Problem& p) {
  return x * p.cos + swapped(x) * p.sin;
}

struct Halves {
  at::Tensor positive, negative;  // (B, h, N, d)
  at::Tensor joined() const { return at::cat({positive, negative}, -1); }
  at::Tensor joined_rotated(const ops::Problem& p) const {
    return at::cat({rotated(positive, p), rotated(negative, p)}, -1);
  }
};

}  // namespace

at::Tensor eager_linear_attention(const ops::Problem& p) {
  const at::Tensor norm = p.q.norm(2, -1, true);  // (B, h, N, 1)
  const at::Tensor direction = p.q / norm;
  const at::Tensor exponent = p.lambd * (p.tau + norm.tanh());
  const at::Tensor cube = p.k.pow(p.lambd);
  const Halves query{direction.relu().pow(exponent), (-direction).relu().pow(exponent)};
  const Halves key{cube.relu(), (-cube).relu()};
  const at::Tensor mean = key.joined().mean(-2, true);                       // (B, h, 1, 2d)
  const at::Tensor z = 1 / (at::matmul(query.joined(), mean.mT()) + p.eps);  // (B, h, N, 1)
  const double root = std::pow(static_cast<double>(p.q.size(2)), -0.5);
  const at::Tensor state =
      at::matmul(key.joined_rotated(p).mT() * root, p.v * root);  // (B, h, 2d, d)
  return at::matmul(query.joined_rotated(p), state) * z;
}

}  // namespace nala::bench
