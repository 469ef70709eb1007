#include <gtest/gtest.h>
#include <torch/torch.h>

#include "drawn.h"
#include "ops/reference.h"

namespace nala::ops {
namespace {

struct Whole {
  at::Tensor q, k;
};

// Features with their halves side by side.
Whole features(const Problem& problem) {
  const Features parts = reference_features(problem);
  return {at::cat(parts.q, -1), at::cat(parts.k, -1)};
}

TEST(Features, NamesRoundTrip) {
  for (const FeatureMap map : all_maps()) {
    EXPECT_EQ(feature_map_named(kFeatureMapNames[static_cast<size_t>(map)]), map);
  }
  EXPECT_EQ(feature_map_named("softmax"), std::nullopt);
}

TEST(Features, ProductsAreNeverNegative) {
  for (const FeatureMap map : all_maps()) {
    SCOPED_TRACE(kFeatureMapNames[static_cast<size_t>(map)]);
    const auto [q, k] = features(drawn_problem({.tokens = 40, .height = 5}, map));
    EXPECT_GE(at::matmul(q, k.mT()).min().item<double>(), 0);
    EXPECT_GT(at::matmul(q, k.mT()).max().item<double>(), 0);
    if (map != FeatureMap::cosine) {
      EXPECT_GE(q.min().item<double>(), 0);
      EXPECT_GE(k.min().item<double>(), 0);
    }
  }
}

// One query and key worked by hand: q = (3, -4, 0, 0), |q| = 5, u = (0.6, -0.8, 0, 0).
TEST(Features, ReluSplitByHand) {
  Problem problem{.q = torch::tensor({3.0, -4.0, 0.0, 0.0}, at::kDouble).view({1, 1, 1, 4}),
                  .k = torch::tensor({2.0, -3.0, 0.0, 1.0}, at::kDouble).view({1, 1, 1, 4})};
  problem.v = problem.k;
  const auto [q, k] = features(problem);
  const double p = 3 * (0.5 + std::tanh(5.0));
  EXPECT_TRUE(at::allclose(
      q.flatten(), torch::tensor({std::pow(0.6, p), 0.0, 0.0, 0.0, 0.0, std::pow(0.8, p), 0.0, 0.0},
                                 at::kDouble)));
  EXPECT_TRUE(at::allclose(k.flatten(),
                           torch::tensor({8.0, 0.0, 0.0, 1.0, 0.0, 27.0, 0.0, 0.0}, at::kDouble)));
}

TEST(Features, WithoutNormAwarenessScalingAQueryChangesNothing) {
  for (const FeatureMap map : {FeatureMap::relu_split, FeatureMap::cosine}) {
    Problem problem = drawn_problem({}, map);
    Problem scaled = problem;
    scaled.q = problem.q * 3;
    EXPECT_FALSE(at::allclose(features(problem).q, features(scaled).q));
    problem.norm_aware = scaled.norm_aware = false;
    EXPECT_TRUE(at::allclose(features(problem).q, features(scaled).q));
  }
}

TEST(Features, LargerNormsSharpen) {
  Problem problem = drawn_problem({}, FeatureMap::relu_split);
  const at::Tensor small = features(problem).q;
  problem.q = problem.q * 4;
  const at::Tensor large = features(problem).q;
  // Powers of numbers below 1: a larger exponent makes every one of them smaller.
  EXPECT_TRUE((large <= small).all().item<bool>());
}

TEST(Features, CosineTendsToReluSplit) {
  Problem cosine = drawn_problem({.tokens = 20, .height = 4}, FeatureMap::cosine);
  Problem split = cosine;
  split.map = FeatureMap::relu_split;
  const at::Tensor limit = reference_linear_attention(split);
  cosine.alpha = 2;
  const double near = (reference_linear_attention(cosine) - limit).abs().max().item<double>();
  cosine.alpha = 1e9;
  EXPECT_TRUE(at::allclose(reference_linear_attention(cosine), limit, 1e-9, 1e-9));
  EXPECT_GT(near, 1e-3);
}

}  // namespace
}  // namespace nala::ops
