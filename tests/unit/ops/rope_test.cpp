#include "ops/rope.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "drawn.h"

namespace nala::ops {
namespace {

TEST(Rope, AnglesAreTheGeometricSeriesEachTwice) {
  EXPECT_TRUE(at::equal(rope_angle(4), torch::tensor({1.0F, 1.0F})));
  EXPECT_TRUE(at::allclose(rope_angle(8), torch::tensor({1.0F, 1.0F, 1e-4F, 1e-4F})));
  EXPECT_TRUE(
      at::allclose(rope_angle(12), torch::tensor({1.0F, 1.0F, 1e-2F, 1e-2F, 1e-4F, 1e-4F})));
}

TEST(Rope, FirstHalfTurnsByTheRowSecondByTheColumn) {
  const Rotation rotation = rope_tables(rope_angle(8), 2, 3);
  const int64_t token = 1 * 3 + 2;  // row 1, column 2
  for (int64_t i = 0; i < 8; ++i) {
    const double position = i < 4 ? 1 : 2;
    const double angle = position * (i % 4 < 2 ? 1 : 1e-4);
    EXPECT_NEAR(rotation.cos[token][i].item<double>(), std::cos(angle), 1e-6) << i;
    EXPECT_NEAR(rotation.sin[token][i].item<double>(), std::sin(angle), 1e-6) << i;
  }
}

TEST(Rope, TurnsNeighbouringChannels) {
  const at::Tensor x = torch::tensor({1.0, 2.0, 3.0, 4.0}, at::kDouble).view({1, 4});
  const at::Tensor quarter_cos = at::zeros({1, 4}, at::kDouble);
  const at::Tensor quarter_sin = at::ones({1, 4}, at::kDouble);
  EXPECT_TRUE(at::equal(rotate(x, quarter_cos, quarter_sin),
                        torch::tensor({-2.0, 1.0, -4.0, 3.0}, at::kDouble).view({1, 4})));
}

TEST(Rope, KeepsNormsAndDependsOnDifferencesOnly) {
  const Rotation rotation = rope_tables(rope_angle(16).to(at::kDouble), 4, 4);
  const at::Tensor x = drawn({1, 16}, 5).expand({16, 16});
  const at::Tensor y = drawn({1, 16}, 6).expand({16, 16});
  const at::Tensor rx = rotate(x, rotation.cos, rotation.sin);
  const at::Tensor ry = rotate(y, rotation.cos, rotation.sin);
  EXPECT_TRUE(at::allclose(rx.norm(2, -1), x.norm(2, -1)));
  const at::Tensor products = at::matmul(rx, ry.t());
  // (row 0, column 1) against (1, 3) is (2, 0) against (3, 2).
  EXPECT_NEAR(products[1][7].item<double>(), products[8][14].item<double>(), 1e-12);
  EXPECT_NE(products[1][7].item<double>(), products[1][8].item<double>());
}

TEST(Rope, RefusesImpossibleSizes) {
  EXPECT_THROW(rope_angle(6), c10::Error);
  EXPECT_THROW(rope_angle(0), c10::Error);
  EXPECT_THROW(rope_tables(rope_angle(8), 0, 3), c10::Error);
}

}  // namespace
}  // namespace nala::ops
