#include "ops/linear.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <array>

namespace nala::ops {
namespace {

struct LinearShape {
  int64_t rows, in, out;
};

std::array<at::Tensor, 4> linear_and_gradients(const std::array<at::Tensor, 3>& given,
                                               const at::Tensor& dy) {
  std::array<at::Tensor, 3> leaves;
  for (size_t i = 0; i < leaves.size(); ++i) {
    leaves[i] = given[i].detach().requires_grad_();
  }
  const at::Tensor y = linear(leaves[0], leaves[1], leaves[2]);
  y.backward(dy);
  return {y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
}

class LinearShapes : public testing::TestWithParam<LinearShape> {};

TEST_P(LinearShapes, IsTheProductInFloat64) {
  torch::manual_seed(1);
  const auto [rows, in, out] = GetParam();
  const std::array<at::Tensor, 3> given{torch::randn({2, rows, in}), torch::randn({out, in}),
                                        torch::randn({out})};
  const at::Tensor dy = torch::randn({2, rows, out});
  const auto actual = linear_and_gradients(given, dy);
  const at::Tensor x = given[0].to(at::kDouble).flatten(0, 1);
  const at::Tensor w = given[1].to(at::kDouble);
  const at::Tensor g = dy.to(at::kDouble).flatten(0, 1);
  const std::array<at::Tensor, 4> expected{(x.mm(w.t()) + given[2]).view({2, rows, out}),
                                           g.mm(w).view({2, rows, in}), g.t().mm(x), g.sum(0)};
  const std::array<int64_t, 4> terms{in, out, 2 * rows, 2 * rows};
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(actual[i].sizes(), expected[i].sizes()) << i;
    EXPECT_LE((actual[i] - expected[i]).abs().max().item<double>(),
              1e-6 * static_cast<double>(terms[i] + 4))
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         LinearShapes,
                         testing::Values(LinearShape{1, 2, 1},
                                         LinearShape{1, 1, 3},
                                         LinearShape{5, 7, 19},
                                         LinearShape{49, 64, 256},
                                         LinearShape{1031, 24, 40}));

// As the attention hands over the transposed heads.
TEST(Linear, TakesTensorsOfAnyStrides) {
  torch::manual_seed(2);
  const at::Tensor x = torch::randn({12, 9, 4}).transpose(0, 2);  // (4, 9, 12)
  const std::array<at::Tensor, 3> given{x, torch::randn({6, 12}), torch::randn({6})};
  const at::Tensor dy = torch::randn({6, 9, 4}).transpose(0, 2);
  const auto strided = linear_and_gradients(given, dy);
  const auto dense = linear_and_gradients({x.contiguous(), given[1], given[2]}, dy.contiguous());
  for (size_t i = 0; i < dense.size(); ++i) {
    EXPECT_TRUE(at::allclose(strided[i], dense[i], 1e-6, 1e-6)) << i;
  }
}

TEST(Linear, GivesOnlyTheGradientsThatAreWanted) {
  const at::Tensor x = torch::randn({3, 4});
  const at::Tensor weight = torch::randn({5, 4}).requires_grad_();
  const at::Tensor y = linear(x, weight, torch::zeros({5}));
  const auto gradient = torch::autograd::grad({y.square().sum()}, {weight}, {}, true, true);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_THROW(torch::autograd::grad({gradient[0].sum()}, {weight}), c10::Error);
}

}  // namespace
}  // namespace nala::ops
