#include "ops/softmax_attention.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "drawn.h"
#include "ops/rope.h"

namespace nala::ops {
namespace {

at::Tensor attend(const Problem& p) {
  return softmax_attention(p.q, p.k, p.v, p.cos, p.sin);
}

TEST(SoftmaxAttention, FollowsTheDefinition) {
  for (const Shape& shape :
       {Shape{}, Shape{.batch = 1, .tokens = 1, .d = 4, .height = 1},
        Shape{.heads = 1, .tokens = 15, .d = 12, .height = 5}, Shape{.tokens = 7, .height = 0}}) {
    const Problem p = drawn_problem(shape, FeatureMap::relu);
    const at::Tensor scores =
        at::matmul(rotate(p.q, p.cos, p.sin), rotate(p.k, p.cos, p.sin).mT()) /
        std::sqrt(static_cast<double>(shape.d));
    const at::Tensor weights = scores.exp() / scores.exp().sum(-1, true);
    const at::Tensor y = attend(p);
    EXPECT_TRUE(at::allclose(y, at::matmul(weights, p.v), 1e-9, 1e-11));
    EXPECT_TRUE(y.transpose(1, 2).is_contiguous());
  }
}

TEST(SoftmaxAttention, EqualScoresAverage) {
  Problem p = drawn_problem({.height = 0}, FeatureMap::relu);
  p.q = at::zeros_like(p.q);
  EXPECT_TRUE(at::allclose(attend(p), p.v.mean(2, true).expand_as(p.v), 1e-10, 1e-12));
}

TEST(SoftmaxAttention, HalfPrecisionIsComputedInFloat32) {
  Problem half = drawn_problem({}, FeatureMap::relu);
  for (at::Tensor* x : {&half.q, &half.k, &half.v}) {
    *x = x->to(at::kBFloat16);
  }
  Problem wide = half;
  for (at::Tensor* x : {&wide.q, &wide.k, &wide.v}) {
    *x = x->to(at::kFloat);
  }
  EXPECT_TRUE(at::equal(attend(half), attend(wide).to(at::kBFloat16)));
}

}  // namespace
}  // namespace nala::ops
