// Keyed randomness: reproducible, independent, of the right distribution.

#include "core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace nala {
namespace {

TEST(Rng, SequenceIsAFixedFunctionOfTheKey) {
  // Part of the reproducibility promise: these numbers never change.
  Rng rng(Stream::augment, {1, 2, 3});
  Rng same(Stream::augment, {1, 2, 3});
  const uint64_t first = rng.bits();
  EXPECT_EQ(first, same.bits());
  EXPECT_EQ(first, 0x433197FDF77FA67EULL);
  EXPECT_EQ(rng.bits(), 0x9DFBEF7C24544DE9ULL);
}

TEST(Rng, EveryPartOfTheKeyCounts) {
  std::set<uint64_t> seen;
  for (uint64_t a = 0; a < 8; ++a) {
    for (uint64_t b = 0; b < 8; ++b) {
      seen.insert(Rng(Stream::order, {a, b}).bits());
      seen.insert(Rng(Stream::mix, {a, b}).bits());
      seen.insert(Rng(Stream::mix, {a, b, 0}).bits());
    }
  }
  EXPECT_EQ(seen.size(), 3U * 64U);
}

TEST(Rng, MomentsAreThoseOfTheDistributions) {
  constexpr int kCount = 200000;
  Rng rng(Stream::augment, {7});
  double uniform = 0;
  double normal = 0;
  double normal_square = 0;
  double beta = 0;
  double beta_square = 0;
  for (int i = 0; i < kCount; ++i) {
    uniform += rng.uniform();
    const double z = rng.normal();
    normal += z;
    normal_square += z * z;
    const double b = rng.beta(0.8, 0.8);
    ASSERT_GE(b, 0.0);
    ASSERT_LE(b, 1.0);
    beta += b;
    beta_square += b * b;
  }
  // Five standard errors.
  EXPECT_NEAR(uniform / kCount, 0.5, 5 * 0.2887 / std::sqrt(kCount));
  EXPECT_NEAR(normal / kCount, 0.0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(normal_square / kCount, 1.0, 5 * std::sqrt(2.0 / kCount));
  // Beta(a, a): variance 1 / (4 (2a + 1)).
  const double variance = 1.0 / (4 * 2.6);
  EXPECT_NEAR(beta / kCount, 0.5, 5 * std::sqrt(variance / kCount));
  EXPECT_NEAR(beta_square / kCount - 0.25, variance, 0.002);
}

TEST(Rng, IntegersAreUniform) {
  Rng rng(Stream::order, {1});
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) {
    ++counts[static_cast<size_t>(rng.integer(7))];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10000, 5 * std::sqrt(10000.0));
  }
  EXPECT_EQ(rng.integer(1), 0);
}

TEST(Rng, PermutationsAreUniform) {
  // All six orders of three, equally often.
  std::vector<int> counts(27);
  for (uint64_t key = 0; key < 60000; ++key) {
    Rng rng(Stream::order, {key});
    const auto order = permutation(3, rng);
    ++counts[static_cast<size_t>(order[0] * 9 + order[1] * 3 + order[2])];
  }
  EXPECT_EQ(std::count(counts.begin(), counts.end(), 0), 21);
  for (const int count : counts) {
    EXPECT_TRUE(count == 0 || std::abs(count - 10000) < 500) << count;
  }
  Rng rng(Stream::order, {0});
  EXPECT_TRUE(permutation(0, rng).empty());
}

}  // namespace
}  // namespace nala
