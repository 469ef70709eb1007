#include "models/drop_path.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>

#include "small_model.h"

namespace nala::models {
namespace {

at::Tensor factors(double rate,
                   const std::vector<int64_t>& positions,
                   int64_t block = 0,
                   uint64_t step = 0,
                   Branch branch = Branch::attention) {
  return drop_path_factors({.block = block, .rate = rate}, branch,
                           {.seed = 3, .step = step, .positions = positions},
                           torch::zeros({std::ssize(positions), 1}))
      .flatten();
}

std::vector<int64_t> first(int64_t count) {
  std::vector<int64_t> positions(count);
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

TEST(DropPath, KeepsTheExpectedShareScaledToMeanOne) {
  for (const double rate : {0.1, 0.4}) {
    const at::Tensor x = factors(rate, first(20000));
    const double kept = x.ne(0).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(kept, 1 - rate, 0.012);
    EXPECT_NEAR(x.max().item<double>(), 1 / (1 - rate), 1e-6);
    EXPECT_NEAR(x.mean().item<double>(), 1, 0.03);
  }
}

TEST(DropPath, IsAFunctionOfItsKeyAlone) {
  const at::Tensor whole = factors(0.5, first(64));
  EXPECT_TRUE(at::equal(whole, factors(0.5, first(64))));
  EXPECT_TRUE(at::equal(whole.narrow(0, 0, 20), factors(0.5, first(20))));
  EXPECT_EQ(whole[7].item<float>(), factors(0.5, {7})[0].item<float>());
  EXPECT_FALSE(at::equal(whole, factors(0.5, first(64), 1)));
  EXPECT_FALSE(at::equal(whole, factors(0.5, first(64), 0, 1)));
  EXPECT_FALSE(at::equal(whole, factors(0.5, first(64), 0, 0, Branch::ffn)));
}

TEST(DropPath, WantsAPositionPerPicture) {
  EXPECT_THROW(drop_path_factors({.rate = 0.1}, Branch::ffn, {}, torch::zeros({2, 1})), c10::Error);
}

// Batches split differently give every picture the same drops: no BatchNorm statistics in the way
// when the norms stay in evaluation mode.
TEST(DropPath, DoesNotDependOnTheBatchSplit) {
  ModelConfig config = small_config();
  config.drop_path = 0.5;
  const auto model = small_model(1, config);
  model->train();
  for (const auto& module : model->modules()) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) {
      norm->eval();
    }
  }
  const torch::NoGradGuard no_grad;
  const at::Tensor x = pictures(4, 32, 32);
  const std::vector<int64_t> positions = {5, 6, 7, 8};
  const ForwardContext context{.seed = 1, .step = 2, .positions = positions};
  const at::Tensor together = model->forward(x, context).main;
  const ForwardContext last{.seed = 1, .step = 2, .positions = std::span(positions).subspan(3)};
  EXPECT_TRUE(
      at::allclose(together[3], model->forward(x.narrow(0, 3, 1), last).main[0], 1e-4, 1e-5));
  const ForwardContext later{.seed = 1, .step = 3, .positions = positions};
  EXPECT_FALSE(at::allclose(together, model->forward(x, later).main, 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(together, model->forward(x, context).main));
}

}  // namespace
}  // namespace nala::models
