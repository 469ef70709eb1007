#include "models/recompute.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>

#include "small_model.h"

namespace nala::models {
namespace {

TEST(Recompute, RunsTheFunctionAgainAndGivesItsGradients) {
  const at::Tensor w = torch::tensor({2.0, 3.0}).requires_grad_();
  const at::Tensor frozen = torch::tensor({7.0, 5.0});
  const at::Tensor x = torch::tensor({1.0, -1.0}).requires_grad_();
  int calls = 0;
  const auto function = [&](const at::Tensor& input) {
    ++calls;
    return input * input * w + frozen;
  };
  const at::Tensor y = recomputed(function, x, {w, frozen});
  EXPECT_EQ(calls, 1);
  (y * torch::tensor({1.0, 10.0})).sum().backward();
  EXPECT_EQ(calls, 2);
  // d/dx = 2 x w g, d/dw = x^2 g.
  EXPECT_TRUE(at::equal(x.grad(), torch::tensor({4.0, -60.0})));
  EXPECT_TRUE(at::equal(w.grad(), torch::tensor({1.0, 10.0})));
  EXPECT_FALSE(frozen.grad().defined());
}

TEST(Recompute, WithoutGradientsItIsAPlainCall) {
  const at::NoGradGuard no_grad;
  int calls = 0;
  recomputed(
      [&](const at::Tensor& x) {
        ++calls;
        return x + 1;
      },
      torch::ones({2}), {});
  EXPECT_EQ(calls, 1);
}

TEST(Recompute, SecondDerivativesAreRefused) {
  const at::Tensor x = torch::ones({2}).requires_grad_();
  const at::Tensor y = recomputed([](const at::Tensor& v) { return v * v; }, x, {});
  EXPECT_THROW(torch::autograd::grad({y.sum()}, {x}, {}, true, /*create_graph=*/true), c10::Error);
}

struct Pass {
  at::Tensor logits;
  std::vector<at::Tensor> gradients;
};

// One training pass with drop path, in the given precision.
Pass train_pass(uint32_t recomputed_stages, bool bf16) {
  ModelConfig config = small_config();
  config.drop_path = 0.3;
  const auto model = small_model(1, config);
  std::vector<int64_t> positions(4);
  std::iota(positions.begin(), positions.end(), 0);
  at::autocast::set_autocast_enabled(at::kCPU, bf16);
  const at::Tensor logits =
      model
          ->forward(pictures(4, 48, 40), {.seed = 3,
                                          .step = 5,
                                          .positions = positions,
                                          .recomputed_stages = recomputed_stages})
          .main;
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  logits.to(at::kFloat).square().sum().backward();
  Pass pass{.logits = logits.detach(), .gradients = {}};
  for (const at::Tensor& parameter : model->parameters()) {
    pass.gradients.push_back(parameter.grad());
  }
  return pass;
}

// Drop path is keyed, so the second forward is the first one, bit for bit, and so are gradients.
TEST(Recompute, StagesGiveTheSameBits) {
  for (const bool bf16 : {false, true}) {
    const Pass plain = train_pass(0, bf16);
    const Pass again = train_pass(0b1011, bf16);
    EXPECT_TRUE(at::equal(plain.logits, again.logits));
    ASSERT_EQ(plain.gradients.size(), again.gradients.size());
    for (size_t i = 0; i < plain.gradients.size(); ++i) {
      EXPECT_TRUE(at::equal(plain.gradients[i], again.gradients[i])) << "parameter " << i;
    }
  }
}

}  // namespace
}  // namespace nala::models
