#include "train/distributed/gradient_reducer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "processes.h"

namespace nala::train {
namespace {

// y = w2 (w1 x) of one-dimensional weights, and one parameter that is frozen.
struct Chain : torch::nn::Module {
  Chain()
      : w1(register_parameter("w1", torch::full({3}, 2.0))),
        w2(register_parameter("w2", torch::full({3}, 5.0))),
        frozen(register_parameter("frozen", torch::ones({3}), false)) {}
  at::Tensor loss(const at::Tensor& x) const { return (w2 * (w1 * x) + frozen).sum(); }
  at::Tensor w1, w2, frozen;
};

at::Tensor input(double value) {
  return torch::tensor({value, value * 2, value * 4});
}

TEST(GradientReducer, AveragesOverTheRanks) {
  as_ranks(2, [](const Group& group) {
    const Chain model;
    GradientReducer reducer(model, group, {});
    for (int step = 0; step < 3; ++step) {
      // dw1 = 5 x, dw2 = 2 x, with x = 1 on rank 0 and 3 on rank 1: the mean is 2.
      reducer.backward(model.loss(input(group.rank() == 0 ? 1 : 3)), true);
      EXPECT_TRUE(at::equal(model.w1.grad(), 5 * input(2)));
      EXPECT_TRUE(at::equal(model.w2.grad(), 2 * input(2)));
      EXPECT_FALSE(model.frozen.grad().defined());
      model.w1.mutable_grad().reset();
      model.w2.mutable_grad().reset();
    }
  });
}

TEST(GradientReducer, AccumulatesWithoutTalking) {
  as_ranks(2, [](const Group& group) {
    const Chain model;
    GradientReducer reducer(model, group, {});
    for (int step = 0; step < 2; ++step) {
      const double x = group.rank() == 0 ? 1 : 3;
      reducer.backward(model.loss(input(x)), false);
      EXPECT_TRUE(at::equal(model.w1.grad(), 5 * input(x))) << "this rank's own, so far";
      reducer.backward(model.loss(input(10 * x)), true);
      EXPECT_TRUE(at::equal(model.w1.grad(), 5 * input(2 + 20)));
      model.w1.mutable_grad().reset();
      model.w2.mutable_grad().reset();
    }
  });
}

TEST(GradientReducer, CompressionRoundsToBfloat16) {
  as_ranks(2, [](const Group& group) {
    const Chain model;
    GradientReducer reducer(model, group, {.compress = Compression::bf16});
    reducer.backward(model.loss(input(1.001)), true);
    const at::Tensor exact = 5 * input(1.001);
    EXPECT_FALSE(at::equal(model.w1.grad(), exact));
    EXPECT_TRUE(at::allclose(model.w1.grad(), exact, 1.0 / 256));
    EXPECT_EQ(model.w1.grad().scalar_type(), at::kFloat);
  });
}

TEST(GradientReducer, AParameterThatTakesNoPartIsAnError) {
  as_ranks(2, [](const Group& group) {
    const Chain model;
    GradientReducer reducer(model, group, {});
    EXPECT_THROW(reducer.backward((model.w1 * input(1)).sum(), true), LostPeers);
  });
}

}  // namespace
}  // namespace nala::train
