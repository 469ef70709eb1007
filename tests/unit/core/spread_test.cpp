#include "core/spread.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace nala {
namespace {

TEST(Spread, IsTheSamplesMeanAndDeviation) {
  // 2, 4, 4, 4, 5, 5, 7, 9: squares about 5 sum up to 32, over 7.
  const std::array<double, 8> values{2, 4, 4, 4, 5, 5, 7, 9};
  const Spread spread = spread_of(values);
  EXPECT_DOUBLE_EQ(spread.mean, 5);
  EXPECT_DOUBLE_EQ(spread.deviation, std::sqrt(32.0 / 7));
  EXPECT_EQ(spread_text(spread, 2), "5.00 ± 2.14");
}

TEST(Spread, OfNearlyEqualLargeValuesIsNotLost) {
  const std::array<double, 3> values{1e9 + 1, 1e9 + 2, 1e9 + 3};
  EXPECT_DOUBLE_EQ(spread_of(values).deviation, 1);
}

TEST(Spread, OfOneOrNoValue) {
  const std::array<double, 1> one{3.25};
  EXPECT_EQ(spread_text(spread_of(one), 1), "3.2");
  EXPECT_TRUE(std::isnan(spread_of({}).mean));
  EXPECT_EQ(spread_text(spread_of({}), 1), "–");
}

}  // namespace
}  // namespace nala
