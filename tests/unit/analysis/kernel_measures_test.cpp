#include "analysis/kernel_measures.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "analysis/spike_patterns.h"

namespace nala::analysis {
namespace {

const at::Tensor& queries() {
  static const at::Tensor q =
      spike_patterns({.pattern = Pattern::isotropic, .width = 16}, Role::query, 90);
  return q;
}
const at::Tensor& keys() {
  static const at::Tensor k =
      spike_patterns({.pattern = Pattern::isotropic, .width = 16}, Role::key, 80);
  return k;
}

TEST(KernelMeasures, SoftmaxKeepsTheOrderOfInnerProducts) {
  const KernelMeasures m = measure_kernel({.softmax = true}, queries(), keys());
  EXPECT_NEAR(m.information_kept, 1, 1e-9);
  EXPECT_NEAR(m.correlation_with_exp, 1, 1e-9);
  EXPECT_EQ(m.nullified_channels, 0);
  EXPECT_GT(m.smallest, 0);
  // The exponential of a product of width 16 is no product of that width.
  EXPECT_GT(m.rank, 16);
}

// With signs independent and even, q+ and k+ are both there in a quarter of the channels, equal
// signs in a half.
TEST(KernelMeasures, SharesOfNullifiedChannels) {
  EXPECT_NEAR(measure_kernel({.map = ops::FeatureMap::relu}, queries(), keys()).nullified_channels,
              0.75, 0.03);
  EXPECT_NEAR(measure_kernel({}, queries(), keys()).nullified_channels, 0.5, 0.03);
  EXPECT_EQ(measure_kernel({.map = ops::FeatureMap::elu}, queries(), keys()).nullified_channels, 0);
  // At alpha 1 angles differ by much less than a right angle.
  EXPECT_EQ(measure_kernel({.map = ops::FeatureMap::cosine, .alpha = 1}, queries(), keys())
                .nullified_channels,
            0);
}

TEST(KernelMeasures, LinearAttentionHasTheRankOfItsFeatures) {
  const KernelMeasures relu = measure_kernel({.map = ops::FeatureMap::relu}, queries(), keys());
  const KernelMeasures split = measure_kernel({}, queries(), keys());
  EXPECT_LE(relu.rank, 16);
  EXPECT_GT(split.rank, 16);
  EXPECT_LE(split.rank, 32);
  EXPECT_LE(relu.effective_rank, static_cast<double>(relu.rank));
  EXPECT_GE(relu.effective_rank, 1);
}

// q = (1, 0), keys (1, 0), (0, 1), (-1, 0): relu gives 1, 0, 0, inner products 1, 0, -1.
// Ranks (3, 1.5, 1.5) and (3, 2, 1): 1.5 / sqrt(1.5 * 2).
TEST(KernelMeasures, InformationByHand) {
  const at::Tensor q = at::tensor({1.0F, 0.0F, 0.0F, 0.0F}).view({1, 4});
  const at::Tensor k =
      at::tensor({1.0F, 0.0F, 0.0F, 0.0F, 0.0F, 1.0F, 0.0F, 0.0F, -1.0F, 0.0F, 0.0F, 0.0F})
          .view({3, 4});
  const KernelMeasures m = measure_kernel({.map = ops::FeatureMap::relu}, q, k);
  EXPECT_NEAR(m.information_kept, 1.5 / std::sqrt(3.0), 1e-9);
  EXPECT_NEAR(m.nullified_pairs, 1.0 / 3, 1e-9);     // the third key; the second has q.k = 0
  EXPECT_NEAR(m.nullified_channels, 1.0 / 2, 1e-9);  // channel 0 of the third key, not of the first
  EXPECT_EQ(m.rank, 1);
}

// Opposite directions: relu has nothing left, and nothing breaks.
TEST(KernelMeasures, OfNothing) {
  const at::Tensor q = at::ones({1, 4});
  const KernelMeasures m = measure_kernel({.map = ops::FeatureMap::relu}, q, at::cat({-q, -2 * q}));
  EXPECT_EQ(m.information_kept, 0);
  EXPECT_EQ(m.smallest, 0);
  EXPECT_EQ(m.rank, 0);
  EXPECT_EQ(m.effective_rank, 0);
  EXPECT_EQ(m.nullified_pairs, 1);
  EXPECT_TRUE(std::isnan(measure_kernel({}, q, q).information_kept));
}

}  // namespace
}  // namespace nala::analysis
