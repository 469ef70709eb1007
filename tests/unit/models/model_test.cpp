#include "models/model.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

#include "core/error.h"
#include "models/heads/classifier.h"
#include "models/zoo.h"
#include "small_model.h"

namespace nala::models {
namespace {

at::Tensor evaluate(Model& model, const at::Tensor& x) {
  model.eval();
  const torch::NoGradGuard no_grad;
  return model.forward(x, {}).main;
}

TEST(Model, EverySizeOfTheZooBuildsAndRuns) {
  for (const ZooRow& row : zoo()) {
    const auto model = build_model({.name = row.model, .num_classes = 7}, Task::classification, 1);
    const at::Tensor logits = evaluate(*model, pictures(1, 33, 40));
    EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{1, 7}));
    EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
  }
}

TEST(Model, TakesAnySize) {
  const auto model = small_model();
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 9}, {31, 17}, {64, 5}}) {
    const at::Tensor logits = evaluate(*model, pictures(2, height, width));
    EXPECT_EQ(logits.sizes(), (std::vector<int64_t>{2, 5}));
    EXPECT_TRUE(at::isfinite(logits).all().item<bool>()) << height << " x " << width;
  }
}

TEST(Model, ResultsDoNotDependOnTheRestOfTheBatch) {
  const auto model = small_model();
  const at::Tensor x = pictures(5, 40, 32);
  const at::Tensor together = evaluate(*model, x);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(
        at::allclose(evaluate(*model, x.narrow(0, i, 1)), together.narrow(0, i, 1), 1e-5, 1e-6));
  }
}

TEST(Model, MemoryLayoutOfThePicturesDoesNotMatter) {
  const auto model = small_model();
  const at::Tensor x = pictures(2, 40, 32);
  EXPECT_TRUE(at::allclose(evaluate(*model, x), evaluate(*model, x.contiguous()), 1e-6, 1e-7));
}

TEST(Model, ThreadsMayShareIt) {
  const auto model = small_model();
  const at::Tensor small = pictures(1, 32, 32);
  const at::Tensor large = pictures(1, 48, 40);
  const at::Tensor expected_small = evaluate(*model, small);
  const at::Tensor expected_large = evaluate(*model, large);
  std::array<bool, 2> right{};
  const auto repeat = [&](const at::Tensor& x, const at::Tensor& expected, bool& result) {
    const torch::NoGradGuard no_grad;
    result = true;
    for (int i = 0; i < 10; ++i) {
      result = result && at::allclose(model->forward(x, {}).main, expected, 1e-5, 1e-6);
    }
  };
  {
    std::jthread first([&] { repeat(small, expected_small, right[0]); });
    std::jthread second([&] { repeat(large, expected_large, right[1]); });
  }
  EXPECT_TRUE(right[0] && right[1]);
}

TEST(Model, EveryFeatureMapTrains) {
  for (const AttentionMap map :
       {AttentionMap::relu_split, AttentionMap::cosine, AttentionMap::softmax, AttentionMap::elu,
        AttentionMap::relu, AttentionMap::focused}) {
    SCOPED_TRACE(names_of(map)[static_cast<size_t>(map)]);
    ModelConfig config = small_config();
    config.attention.feature_map = map;
    const auto model = small_model(1, config);
    model->forward(pictures(3, 32, 32), {}).main.square().sum().backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_TRUE(at::isfinite(item.value().grad()).all().item<bool>()) << item.key();
    }
  }
}

TEST(Model, PartsCanBeLeftOut) {
  const at::Tensor x = pictures(1, 32, 32);
  const at::Tensor full = evaluate(*small_model(), x);
  for (bool AttentionConfig::*part :
       {&AttentionConfig::rope, &AttentionConfig::gate, &AttentionConfig::lepe}) {
    ModelConfig config = small_config();
    config.attention.*part = false;
    EXPECT_FALSE(at::allclose(evaluate(*small_model(1, config), x), full, 1e-6, 1e-7));
  }
}

// bf16 autocast must leave everything between the projections in float32: the result stays as close
// as the rounding of the projections allows.
TEST(Model, AutocastStaysClose) {
  const auto model = small_model();
  const at::Tensor x = pictures(2, 64, 64);
  const at::Tensor expected = evaluate(*model, x);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor got = evaluate(*model, x);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_FALSE(at::equal(got.to(at::kFloat), expected));
  EXPECT_LT((got - expected).abs().max().item<double>(),
            0.05 * expected.abs().max().item<double>() + 1e-3);
}

TEST(Backbone, GivesFourChannelsLastMaps) {
  struct Bare : torch::nn::Module {
    Bare() : backbone(*this, resolve(small_config())) {}
    Backbone backbone;
  } owner;
  const torch::NoGradGuard no_grad;
  for (const at::Tensor& parameter : owner.parameters()) {
    parameter.fill_(0.01);
  }
  owner.eval();
  const auto maps = owner.backbone.features(pictures(2, 37, 50), {});
  const std::array<std::vector<int64_t>, 4> expected = {
      {{2, 8, 10, 13}, {2, 16, 5, 7}, {2, 16, 3, 4}, {2, 24, 2, 2}}};
  for (int i = 0; i < kStages; ++i) {
    EXPECT_EQ(maps[i].sizes(), expected[i]);
    EXPECT_TRUE(maps[i].is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

}  // namespace
}  // namespace nala::models
