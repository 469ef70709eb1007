#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "analysis/binned.h"
#include "analysis/correlation.h"
#include "analysis/entropy.h"

namespace nala::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double pse(const std::vector<float>& weights) {
  return positive_sequence_entropy(weights);
}

TEST(Entropy, OfEqualWeightsIsTheLogarithmOfTheirNumber) {
  for (const int n : {1, 2, 7, 4096}) {
    EXPECT_NEAR(pse(std::vector<float>(static_cast<size_t>(n), 0.3F)), std::log(n), 1e-9) << n;
  }
}

TEST(Entropy, OfASingleWeightIsZero) {
  EXPECT_NEAR(pse({0, 0, 5, 0}), 0, 1e-12);
}

// p = (1/2, 1/4, 1/4): 1/2 log 2 + 2 * 1/4 log 4 = 3/2 log 2.
TEST(Entropy, ByHand) {
  EXPECT_NEAR(pse({2, 1, 1}), 1.5 * std::log(2), 1e-12);
  EXPECT_NEAR(pse({2e6F, 1e6F, 1e6F}), 1.5 * std::log(2), 1e-9);
  EXPECT_NEAR(pse({2, 1, -1e-9F, 1}), 1.5 * std::log(2), 1e-12);
}

TEST(Entropy, OfNothingIsNotANumber) {
  EXPECT_TRUE(std::isnan(pse({})));
  EXPECT_TRUE(std::isnan(pse({0, 0})));
  EXPECT_TRUE(std::isnan(pse({1, std::numeric_limits<float>::quiet_NaN()})));
}

TEST(Entropy, OfColumnsIsThatOfEachColumnAlone) {
  ColumnEntropies columns(3);
  columns.add_row(std::vector<float>{1, 2, 0});
  columns.add_row(std::vector<float>{1, 1, 0});
  columns.add_row(std::vector<float>{1, 1, 0});
  const std::vector<double> found = columns.entropies();
  EXPECT_NEAR(found[0], std::log(3), 1e-12);
  EXPECT_NEAR(found[1], 1.5 * std::log(2), 1e-12);
  EXPECT_TRUE(std::isnan(found[2]));
}

TEST(Correlation, RanksShareTies) {
  EXPECT_EQ(average_ranks(std::vector<double>{30, 10, 20, 20}),
            (std::vector<double>{4, 1, 2.5, 2.5}));
}

TEST(Correlation, SpearmanOfMonotoneIsOne) {
  const std::vector<double> x{0.1, 0.2, 3, 40, 41};
  std::vector<double> rising;
  std::vector<double> falling;
  for (const double value : x) {
    rising.push_back(std::exp(value));
    falling.push_back(-value * value * value);
  }
  EXPECT_DOUBLE_EQ(spearman(x, rising), 1);
  EXPECT_DOUBLE_EQ(spearman(x, falling), -1);
  EXPECT_LT(pearson(x, rising), 0.9);
}

// Ranks (1, 2, 3, 4, 5) and (2, 1, 4, 3, 5): 1 - 6 * 4 / (5 * 24) = 0.8.
TEST(Correlation, SpearmanByHand) {
  EXPECT_NEAR(spearman(std::vector<double>{1, 2, 3, 4, 5}, std::vector<double>{20, 10, 40, 30, 50}),
              0.8, 1e-12);
}

// Deviations (-1, 0, 1) and (-1, -1, 2): 3 / sqrt(2 * 6).
TEST(Correlation, PearsonByHand) {
  EXPECT_NEAR(pearson(std::vector<double>{1, 2, 3}, std::vector<double>{0, 0, 3}),
              3 / std::sqrt(12), 1e-12);
}

TEST(Correlation, LeavesOutWhatIsNotFinite) {
  EXPECT_DOUBLE_EQ(spearman(std::vector<double>{1, 2, kNan, 3}, std::vector<double>{1, 2, 0, 3}),
                   1);
  EXPECT_TRUE(std::isnan(spearman(std::vector<double>{1, 2}, std::vector<double>{kNan, 1})));
  EXPECT_TRUE(std::isnan(pearson(std::vector<double>{1, 2}, std::vector<double>{5, 5})));
}

TEST(Binned, HoldEquallyManyPoints) {
  const std::vector<double> x{6, 5, 4, 3, 2, 1, kNan};
  const std::vector<double> y{60, 50, 40, 30, 10, 20, 0};
  const std::vector<Bin> bins = binned(x, y, 2);
  ASSERT_EQ(bins.size(), 2U);
  EXPECT_EQ(bins[0].points, 3);
  EXPECT_DOUBLE_EQ(bins[0].x, 2);
  EXPECT_DOUBLE_EQ(bins[0].lower, 15);
  EXPECT_DOUBLE_EQ(bins[0].median, 20);
  EXPECT_DOUBLE_EQ(bins[0].upper, 25);
  EXPECT_DOUBLE_EQ(bins[1].median, 50);
  EXPECT_EQ(binned(x, y, 50).size(), 6U);
  EXPECT_TRUE(binned({}, {}, 3).empty());
}

}  // namespace
}  // namespace nala::analysis
