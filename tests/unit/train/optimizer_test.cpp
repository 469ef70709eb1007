// The fused update rules against the same formulas in float64, and their state.

#include "train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "core/error.h"
#include "train/ema.h"
#include "train/param_groups.h"

namespace nala::train {
namespace {

at::Tensor leaf(std::vector<double> values) {
  return torch::tensor(values, at::kFloat).requires_grad_(true);  // (values)
}

// Five steps on gradients 0.1 * (i + 1) * (step + 1), beside the textbook recursion in double.
void compare_with_double(OptimizerName name, double decay) {
  const std::vector<double> start{0.5, -1.25, 2.0};
  ParameterGroup group{.weight_decay = decay, .names = {"w"}, .parameters = {leaf(start)}};
  const at::Tensor parameter = group.parameters[0];
  Optimizer optimizer({.name = name}, {group});
  std::vector<double> x = start;
  std::vector<double> m(3);
  std::vector<double> v(3);
  const double lr = 0.01;
  for (int step = 1; step <= 5; ++step) {
    std::vector<double> gradient(3);
    for (size_t i = 0; i < 3; ++i) {
      gradient[i] = 0.1 * (static_cast<double>(i) + 1) * step;
      double g = gradient[i];
      if (name == OptimizerName::adamw) {
        x[i] *= 1 - lr * decay;
      } else {
        g += decay * x[i];
      }
      if (name == OptimizerName::sgd) {
        m[i] = step == 1 ? g : 0.9 * m[i] + g;
        x[i] -= lr * m[i];
        continue;
      }
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      x[i] -= lr * (m[i] / (1 - std::pow(0.9, step))) /
              (std::sqrt(v[i] / (1 - std::pow(0.999, step))) + 1e-8);
    }
    parameter.mutable_grad() = torch::tensor(gradient, at::kFloat);  // (3)
    optimizer.step(lr);
  }
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(parameter[i].item<double>(), x[static_cast<size_t>(i)], 2e-6);
  }
}

TEST(Optimizer, RulesAreTheTextbooks) {
  for (const double decay : {0.0, 0.1}) {
    compare_with_double(OptimizerName::adamw, decay);
    compare_with_double(OptimizerName::adam, decay);
    compare_with_double(OptimizerName::sgd, decay);
  }
}

TEST(Optimizer, GradientsInAnotherMemoryOrderCountByTheirIndex) {
  const at::Tensor a = at::arange(24.0).reshape({2, 3, 2, 2}).requires_grad_(true);
  const at::Tensor b = a.detach().clone().requires_grad_(true);
  const at::Tensor gradient = at::arange(24.0).reshape({2, 3, 2, 2}) - 7;  // (2, 3, 2, 2)
  Optimizer first({}, {{.names = {"w"}, .parameters = {a}}});
  Optimizer second({}, {{.names = {"w"}, .parameters = {b}}});
  a.mutable_grad() = gradient;
  b.mutable_grad() = gradient.contiguous(at::MemoryFormat::ChannelsLast);
  first.step(0.1);
  second.step(0.1);
  EXPECT_TRUE(a.equal(b));
}

TEST(Optimizer, SavedStateContinuesBitForBit) {
  const at::Tensor a = leaf({1, 2, 3});
  Optimizer first({}, {{.weight_decay = 0.1, .names = {"w"}, .parameters = {a}}});
  const auto step = [](const at::Tensor& x, Optimizer& optimizer, double scale) {
    x.mutable_grad() = torch::tensor({0.3, -0.2, 0.1}, at::kFloat) * scale;  // (3)
    optimizer.step(0.05);
  };
  step(a, first, 1);
  step(a, first, 2);
  const at::Tensor b = a.detach().clone().requires_grad_(true);
  Optimizer second({}, {{.weight_decay = 0.1, .names = {"w"}, .parameters = {b}}});
  second.load_state(first.state(), "test");
  step(a, first, 3);
  step(b, second, 3);
  EXPECT_TRUE(a.equal(b));
}

TEST(Optimizer, StateOfAnotherModelIsRefusedByName) {
  Optimizer first({}, {{.names = {"w"}, .parameters = {leaf({1})}}});
  Optimizer other({}, {{.names = {"u"}, .parameters = {leaf({1})}}});
  Optimizer wider({}, {{.names = {"w"}, .parameters = {leaf({1, 2})}}});
  EXPECT_THROW(other.load_state(first.state(), "x"), Error);
  EXPECT_THROW(wider.load_state(first.state(), "x"), Error);
}

struct Small : torch::nn::Module {
  Small() {
    weight = register_parameter("weight", at::ones({2, 2}));
    gamma_1 = register_parameter("gamma_1", at::ones({1, 2, 1, 1}));
    bias = register_parameter("bias", at::ones({2}));
    count = register_buffer("count", at::zeros({}, at::kLong));
    mean = register_buffer("mean", at::zeros({2}));
  }
  at::Tensor weight, gamma_1, bias, count, mean;
};

TEST(ParameterGroups, UndecayedFirstAndFourDimensionalGammasDecayed) {
  const Small module;
  const auto groups = parameter_groups(module, 0.05);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].names, (std::vector<std::string>{"bias"}));
  EXPECT_EQ(groups[0].weight_decay, 0.0);
  EXPECT_EQ(groups[1].names, (std::vector<std::string>{"weight", "gamma_1"}));
  EXPECT_EQ(groups[1].weight_decay, 0.05);
}

TEST(ParameterGroups, DecayByNameAndOfAll) {
  const Small module;
  const auto named =
      parameter_groups(module, 0.05, 1, {.by = DecayBy::name, .undecayed = {"gam", "norm"}});
  EXPECT_EQ(named[0].names, (std::vector<std::string>{"gamma_1"}));
  EXPECT_EQ(named[1].names, (std::vector<std::string>{"weight", "bias"}));
  const auto all = parameter_groups(module, 0.05, 1, {.by = DecayBy::all});
  EXPECT_TRUE(all[0].names.empty());
  EXPECT_EQ(all[1].names.size(), 3U);
}

TEST(ParameterGroups, LayersAreCountedBelowABackboneToo) {
  const std::vector<std::string> names = {"patch_embed.proj.0.weight", "layers.0.blocks.0.x",
                                          "layers.0.downsample.x", "layers.1.blocks.0.x"};
  std::vector<std::string> below;
  for (const std::string& name : names) {
    below.push_back("backbone." + name);
  }
  below.emplace_back("decode_head.conv_seg.weight");
  EXPECT_EQ(layers_of(below), (std::vector<int64_t>{0, 1, 1, 2, 3}));
}

TEST(Ema, MovesParametersAndBuffersAndTruncatesCounts) {
  Small average;
  Small model;
  {
    const at::NoGradGuard no_grad;
    model.weight.fill_(3);
    model.mean.fill_(1);
    model.count.fill_(7);
  }
  for (int i = 0; i < 3; ++i) {
    update_ema(average, model, 0.9);
  }
  // Closed form: target - (target - start) * decay^3.
  EXPECT_NEAR(average.weight[0][0].item<double>(), 3 - 2 * 0.729, 1e-6);
  EXPECT_NEAR(average.mean[0].item<double>(), 1 - 0.729, 1e-6);
  // 0.1 * 7 = 0.7 is truncated to 0 each time.
  EXPECT_EQ(average.count.item<int64_t>(), 0);
}

}  // namespace
}  // namespace nala::train
