#include "eval/metrics/confusion.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace nala::eval {
namespace {

at::Tensor map_of(const std::vector<int64_t>& values) {
  const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(values.size())));
  return at::tensor(values, at::TensorOptions(at::kLong)).to(at::kByte).view({side, side});
}

// Truth      said        class 0: 3 of 4 found, 1 too many: 3 / 5
// 0 0 1      0 0 1       class 1: 2 of 3 found, 1 too many: 2 / 4
// 0 1 1      0 1 0       class 2: 1 of 1 found: 1
// 2 0 255    2 1 1       the last pixel does not count; class 3 is nowhere
TEST(Confusion, HandWorkedThreeByThree) {
  Confusion confusion(4);
  confusion.add(map_of({0, 0, 1, 0, 1, 0, 2, 1, 1}), map_of({0, 0, 1, 0, 1, 1, 2, 0, 255}));
  const auto scores = confusion.per_class();
  EXPECT_DOUBLE_EQ(scores[0].iou, 60);
  EXPECT_DOUBLE_EQ(scores[1].iou, 50);
  EXPECT_DOUBLE_EQ(scores[2].iou, 100);
  EXPECT_TRUE(std::isnan(scores[3].iou));
  EXPECT_DOUBLE_EQ(scores[0].acc, 75);
  EXPECT_DOUBLE_EQ(scores[0].dice, 75);  // 2 * 3 / (4 + 4)
  EXPECT_DOUBLE_EQ(confusion.miou(), 70);
  EXPECT_NEAR(confusion.macc(), (75 + 200.0 / 3 + 100) / 3, 1e-12);
  EXPECT_DOUBLE_EQ(confusion.aacc(), 75);  // 6 of 8
  EXPECT_EQ(confusion.pixels(), 8);
}

// Truth is all of class 0, half of it said to be 1: class 1 has an IoU of 0 but no accuracy.
TEST(Confusion, PredictedButAbsentClassHasAnIouAlone) {
  Confusion confusion(3);
  confusion.add(map_of({0, 0, 1, 1}), map_of({0, 0, 0, 0}));
  const auto scores = confusion.per_class();
  EXPECT_DOUBLE_EQ(scores[1].iou, 0);
  EXPECT_TRUE(std::isnan(scores[1].acc));
  EXPECT_DOUBLE_EQ(confusion.miou(), 25);
  EXPECT_DOUBLE_EQ(confusion.macc(), 50);
}

TEST(Confusion, AllIgnoredCountsNothing) {
  Confusion confusion(2);
  confusion.add(map_of({0, 1, 1, 0}), map_of({255, 255, 255, 255}));
  EXPECT_EQ(confusion.pixels(), 0);
  EXPECT_TRUE(std::isnan(confusion.miou()));
  EXPECT_TRUE(std::isnan(confusion.aacc()));
}

TEST(Confusion, SumsOfPartsAreTheWhole) {
  const at::Tensor said = torch::randint(0, 5, {40, 60}, at::kByte);
  at::Tensor truth = torch::randint(0, 6, {40, 60}, at::kByte);
  truth.masked_fill_(truth.eq(5), 255);
  Confusion whole(5);
  whole.add(said, truth);
  whole.count_picture();
  Confusion top(5);
  Confusion bottom(5);
  top.add(said.narrow(0, 0, 13), truth.narrow(0, 0, 13));
  bottom.add(said.narrow(0, 13, 27), truth.narrow(0, 13, 27));
  bottom.count_picture();
  const Confusion joined = Confusion::from_sums(top.sums() + bottom.sums(), 5);
  EXPECT_TRUE(at::equal(joined.matrix(), whole.matrix()));
  EXPECT_EQ(joined.images(), 1);
  // Row by row with plain loops.
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t j = 0; j < 5; ++j) {
      EXPECT_EQ(whole.matrix()[i][j].item<int64_t>(),
                truth.eq(i).logical_and(said.eq(j)).sum().item<int64_t>());
    }
  }
}

}  // namespace
}  // namespace nala::eval
