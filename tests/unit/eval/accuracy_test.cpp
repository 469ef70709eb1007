#include "eval/metrics/accuracy.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

namespace nala::eval {
namespace {

TEST(Accuracy, CountsByHand) {
  Accuracy accuracy;
  // Labels 2, 0, 5 stand first, second and sixth.
  accuracy.add(torch::tensor({{0.0, 1.0, 9.0, 3.0, 4.0, 5.0},
                              {5.0, 6.0, 0.0, 0.0, 0.0, 0.0},
                              {6.0, 5.0, 4.0, 3.0, 2.0, 1.0}}),
               at::tensor({2L, 0L, 5L}));
  EXPECT_EQ(accuracy.images(), 3);
  EXPECT_DOUBLE_EQ(accuracy.top1(), 100.0 / 3);
  EXPECT_DOUBLE_EQ(accuracy.top5(), 200.0 / 3);
}

TEST(Accuracy, TiesGoToTheLowerIndexAndNanNeverCounts) {
  Accuracy constant;
  constant.add(at::zeros({10, 10}), at::arange(10));
  EXPECT_DOUBLE_EQ(constant.top1(), 10.0);
  EXPECT_DOUBLE_EQ(constant.top5(), 50.0);
  Accuracy broken;
  broken.add(at::full({4, 3}, std::nan("")), at::zeros({4}, at::kLong));
  EXPECT_DOUBLE_EQ(broken.top1(), 0.0);
  EXPECT_DOUBLE_EQ(broken.top5(), 0.0);
}

TEST(Accuracy, AnySplitGivesTheSameNumbers) {
  torch::manual_seed(1);
  const at::Tensor logits = at::randn({50, 7});
  const at::Tensor labels = at::randint(0, 7, {50}, at::kLong);
  Accuracy whole;
  whole.add(logits, labels);
  Accuracy parts;
  at::Tensor sums = Accuracy().sums();
  for (const auto& [begin, end] : {std::pair{0, 1}, {1, 20}, {20, 50}}) {
    parts.add(logits.slice(0, begin, end), labels.slice(0, begin, end));
    Accuracy one;
    one.add(logits.slice(0, begin, end), labels.slice(0, begin, end));
    sums += one.sums();
  }
  EXPECT_TRUE(torch::allclose(sums, whole.sums()));
  EXPECT_EQ(Accuracy::from_sums(sums).images(), 50);
  EXPECT_EQ(Accuracy::from_sums(sums).top5(), whole.top5());
  EXPECT_EQ(whole.top1(), parts.top1());
  EXPECT_EQ(whole.top5(), parts.top5());
  EXPECT_NEAR(whole.loss(), parts.loss(), 1e-9);
  EXPECT_NEAR(whole.loss(), at::cross_entropy_loss(logits.to(at::kDouble), labels).item<double>(),
              1e-6);
}

TEST(Accuracy, NothingIsZero) {
  EXPECT_EQ(Accuracy().top1(), 0.0);
  EXPECT_EQ(Accuracy().loss(), 0.0);
}

}  // namespace
}  // namespace nala::eval
