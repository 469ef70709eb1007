#include "core/growth.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace nala {
namespace {

TEST(Growth, FindsThePower) {
  const std::array<double, 3> sizes{10, 100, 1000};
  EXPECT_NEAR(growth_exponent(sizes, std::array<double, 3>{3, 300, 30000}), 2, 1e-12);
  EXPECT_NEAR(growth_exponent(sizes, std::array<double, 3>{7, 7, 7}), 0, 1e-12);
  // Logarithms 0, 1, 4 over 1, 2, 3: slope 2 by least squares.
  EXPECT_NEAR(growth_exponent(sizes, std::array<double, 3>{1, 10, 10000}), 2, 1e-12);
}

TEST(Growth, OfOneSizeIsUnknown) {
  EXPECT_TRUE(std::isnan(growth_exponent(std::array<double, 1>{5}, std::array<double, 1>{5})));
  EXPECT_TRUE(std::isnan(growth_exponent({}, {})));
}

}  // namespace
}  // namespace nala
