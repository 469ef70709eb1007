#include "analysis/row_entropy.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "analysis/entropy.h"
#include "analysis/spike_patterns.h"

namespace nala::analysis {
namespace {

constexpr int64_t kKeys = 300;
constexpr int64_t kQueries = 600;

EntropyStudy study(const Kernel& kernel, const PatternOptions& options) {
  return study_entropy(kernel, spike_patterns(options, Role::query, kQueries),
                       spike_patterns(options, Role::key, kKeys), at::arange(kQueries, at::kLong));
}

std::vector<double> row_entropies(const Kernel& kernel, const at::Tensor& q, const at::Tensor& k) {
  return study_entropy(kernel, q, k, at::arange(q.size(0), at::kLong)).row_entropies;
}

// Homogeneous features cancel in the normaliser; an exponent of the norm does not.
TEST(RowEntropy, ScalingQueriesMattersToWhatIsNormAware) {
  const at::Tensor q = spike_patterns({.smallest_norm = 0.5}, Role::query, 20);
  const at::Tensor k = spike_patterns({}, Role::key, kKeys);
  for (const Kernel& kernel : studied_kernels()) {
    SCOPED_TRACE(kernel.name());
    if (kernel.map == ops::FeatureMap::elu) {
      continue;  // neither: 1 + elu(x) is 1 + x above 0
    }
    const std::vector<double> before = row_entropies(kernel, q, k);
    const std::vector<double> after = row_entropies(kernel, 2 * q, k);
    const bool sees_norm =
        kernel.softmax || (kernel.norm_aware && (kernel.map == ops::FeatureMap::relu_split ||
                                                 kernel.map == ops::FeatureMap::cosine));
    for (size_t i = 0; i < before.size(); ++i) {
      if (sees_norm) {
        EXPECT_GT(std::abs(after[i] - before[i]), 1e-6) << i;
      } else {
        EXPECT_NEAR(after[i], before[i], 1e-4) << i;
      }
    }
  }
}

TEST(RowEntropy, BlocksAndColumnsAgreeWithTheWholeMatrix) {
  const at::Tensor q = spike_patterns({}, Role::query, 9);
  const at::Tensor k = spike_patterns({}, Role::key, 5);
  const EntropyStudy study = study_entropy({}, q, k, at::tensor({1, 4, 8}, at::kLong));
  const at::Tensor rows = AttentionRows({}, q, k)(at::tensor({1, 4, 8}, at::kLong));  // (3, 5)
  const at::Tensor columns = rows.t().contiguous();
  ASSERT_EQ(study.row_entropies.size(), 3U);
  ASSERT_EQ(study.column_entropies.size(), 5U);
  EXPECT_NEAR(study.row_entropies[1],
              positive_sequence_entropy({rows[1].const_data_ptr<float>(), 5}), 1e-9);
  EXPECT_NEAR(study.column_entropies[2],
              positive_sequence_entropy({columns[2].const_data_ptr<float>(), 3}), 1e-9);
  EXPECT_NEAR(study.query_norms[2], q[8].norm().item<double>(), 1e-6);
  EXPECT_NEAR(study.key_norms[4], k[4].norm().item<double>(), 1e-6);
}

// The paper's claim on made data: bounds that the analysis command is held to.
TEST(RowEntropy, FollowsTheQueryNormWhereItIsKept) {
  for (const Pattern pattern : {Pattern::spikes, Pattern::isotropic}) {
    SCOPED_TRACE(name_of(pattern));
    const auto correlation = [&](const Kernel& kernel) {
      return study(kernel, {.pattern = pattern}).query_correlation();
    };
    EXPECT_LT(correlation({.softmax = true}), -0.9);
    EXPECT_LT(correlation({}), -0.5);
    EXPECT_NEAR(correlation({.norm_aware = false}), 0, 0.13);  // 3 / sqrt(600)
    EXPECT_NEAR(correlation({.map = ops::FeatureMap::relu}), 0, 0.13);
  }
}

TEST(SpikePatterns, NormsAndSpikesAreAsStated) {
  const at::Tensor x = spike_patterns({.width = 32, .spikes = 3}, Role::key, 500);  // (500, 32)
  const at::Tensor norms = x.norm(2, -1);
  EXPECT_GE(norms.min().item<double>(), 0.05 * (1 - 1e-5));
  EXPECT_LE(norms.max().item<double>(), 3 * (1 + 1e-5));
  // Log-uniform: the median is the geometric mean of the ends.
  EXPECT_NEAR(std::log(norms.median().item<double>()), std::log(std::sqrt(0.05 * 3)), 0.3);
  const at::Tensor large = (x / norms.unsqueeze(1)).abs().gt(0.25).sum(1);  // (500)
  EXPECT_NEAR(large.to(at::kFloat).mean().item<double>(), 3, 0.1);
  EXPECT_TRUE(
      at::equal(x.narrow(0, 0, 10), spike_patterns({.width = 32, .spikes = 3}, Role::key, 10)));
  EXPECT_FALSE(
      at::equal(x.narrow(0, 0, 10), spike_patterns({.width = 32, .spikes = 3}, Role::query, 10)));
}

TEST(EvenlySpread, StaysInsideAndAscends) {
  EXPECT_TRUE(at::equal(evenly_spread(3, 10), at::tensor({0, 3, 6}, at::kLong)));
  EXPECT_TRUE(at::equal(evenly_spread(5, 3), at::tensor({0, 1, 2}, at::kLong)));
}

}  // namespace
}  // namespace nala::analysis
