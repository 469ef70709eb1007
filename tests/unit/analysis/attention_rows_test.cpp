#include "analysis/attention_rows.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "analysis/spike_patterns.h"
#include "ops/linear_attention.h"
#include "ops/softmax_attention.h"

namespace nala::analysis {
namespace {

constexpr int64_t kHeight = 5;
constexpr int64_t kWidth = 7;
constexpr int64_t kTokens = kHeight * kWidth;
constexpr int64_t kChannels = 16;

at::Tensor drawn(Role role, uint64_t seed) {
  return spike_patterns({.pattern = Pattern::isotropic, .width = kChannels, .seed = seed}, role,
                        kTokens);
}

// The operator's output for the same head, (N, d).
at::Tensor operator_output(const Kernel& kernel,
                           const at::Tensor& q,
                           const at::Tensor& k,
                           const at::Tensor& v,
                           const ops::Rotation& rotation) {
  const auto head = [](const at::Tensor& x) { return x.view({1, 1, kTokens, kChannels}); };
  const at::Tensor y =
      kernel.softmax ? ops::softmax_attention(head(q), head(k), head(v), rotation.cos, rotation.sin)
                     : ops::linear_attention(head(q), head(k), head(v), rotation.cos, rotation.sin,
                                             {.map = kernel.map,
                                              .norm_aware = kernel.norm_aware,
                                              .lambd = kernel.lambd,
                                              .tau = kernel.tau,
                                              .alpha = kernel.alpha});
  return y.reshape({kTokens, kChannels});
}

TEST(AttentionRows, TimesValuesGiveTheOperatorsOutput) {
  const at::Tensor q = drawn(Role::query, 1);
  const at::Tensor k = drawn(Role::key, 2);
  const at::Tensor v = drawn(Role::key, 3);
  const at::Tensor all = at::arange(kTokens, at::kLong);
  for (const Kernel& kernel : studied_kernels()) {
    for (const bool rotated : {false, true}) {
      SCOPED_TRACE(kernel.name() + (rotated ? " rotated" : ""));
      const ops::Rotation rotation =
          rotated ? ops::rope_tables(ops::rope_angle(kChannels), kHeight, kWidth) : ops::Rotation{};
      const at::Tensor rows = AttentionRows(kernel, q, k, rotation)(all);  // (N, N)
      const at::Tensor expected = operator_output(kernel, q, k, v, rotation);
      EXPECT_LT((at::matmul(rows, v) - expected).abs().max().item<double>(),
                1e-4 * expected.abs().max().item<double>());
    }
  }
}

TEST(AttentionRows, OfAskedForQueriesAreThoseOfTheMatrix) {
  const AttentionRows rows({}, drawn(Role::query, 1), drawn(Role::key, 2));
  const at::Tensor all = rows(at::arange(kTokens, at::kLong));
  const at::Tensor some = rows(at::tensor({30, 2, 2}, at::kLong));
  EXPECT_TRUE(at::allclose(some[0], all[30], 1e-5, 1e-8));
  EXPECT_TRUE(at::allclose(some[2], all[2], 1e-5, 1e-8));
}

TEST(AttentionRows, SumToOneWithoutRotation) {
  for (const Kernel& kernel : studied_kernels()) {
    SCOPED_TRACE(kernel.name());
    const AttentionRows rows(kernel, drawn(Role::query, 1), drawn(Role::key, 2));
    const at::Tensor sums = rows(at::arange(kTokens, at::kLong)).sum(-1);  // (N)
    // The normaliser's eps takes a little of rows whose similarities are small.
    EXPECT_GT(sums.min().item<double>(), 0.5);
    EXPECT_LT(sums.max().item<double>(), 1.0001);
  }
}

TEST(Kernel, Names) {
  EXPECT_EQ(Kernel{.softmax = true}.name(), "softmax");
  EXPECT_EQ(Kernel{}.name(), "relu_split");
  EXPECT_EQ((Kernel{.map = ops::FeatureMap::cosine, .norm_aware = false}.name()),
            "cosine (not norm-aware)");
  EXPECT_EQ((Kernel{.map = ops::FeatureMap::relu, .norm_aware = false}.name()), "relu");
}

}  // namespace
}  // namespace nala::analysis
