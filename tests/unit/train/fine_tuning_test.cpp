// What fine-tuning needs: slower lower layers, frozen parts, averaged checkpoints.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "core/error.h"
#include "models/zoo.h"
#include "train/averaging.h"
#include "train/freezing.h"
#include "train/optimizer.h"
#include "train/param_groups.h"
#include "train/tasks/distill.h"

namespace nala::train {
namespace {

std::shared_ptr<models::Model> small() {
  models::ModelConfig config;
  config.name = models::ModelName::custom;
  config.embed_dims = {4, 8, 12, 16};
  config.depths = {1, 2, 1, 1};
  config.heads = {1, 1, 1, 1};
  config.mlp_ratio = 2;
  config.stage_kinds = std::vector<std::string>{"linear", "linear", "softmax", "softmax"};
  config.layer_scale = {1, 1, 1, 1};
  config.projection = 8;
  config.drop_path = 0;
  config.num_classes = 3;
  return models::build_model(config, models::Task::classification, 1);
}

TEST(LayerDecay, NumbersLayersFromTheStemToTheHead) {
  const std::vector<std::string> names{"patch_embed.proj.0.weight",
                                       "layers.0.blocks.0.gamma_1",
                                       "layers.0.downsample.norm.bias",
                                       "layers.1.blocks.0.attn.qkvg.weight",
                                       "layers.1.blocks.1.attn.qkvg.weight",
                                       "layers.1.downsample.norm.bias",
                                       "layers.2.blocks.0.ffn.fc1.bias",
                                       "proj.weight",
                                       "head.bias"};
  EXPECT_EQ(layers_of(names), (std::vector<int64_t>{0, 1, 1, 2, 3, 3, 4, 5, 5}));
}

TEST(LayerDecay, ScalesTheRateOfEachLayer) {
  const auto model = small();
  const auto groups = parameter_groups(*model, 0.05, 0.5);
  std::map<std::string, double> scale;
  std::map<std::string, double> decay;
  size_t count = 0;
  for (const ParameterGroup& group : groups) {
    for (const std::string& name : group.names) {
      scale[name] = group.lr_scale;
      decay[name] = group.weight_decay;
      ++count;
    }
  }
  EXPECT_EQ(count, model->parameters().size());
  // Five blocks: the head is layer 6.
  EXPECT_EQ(scale.at("head.weight"), 1.0);
  EXPECT_EQ(scale.at("layers.3.blocks.0.attn.qkvg.weight"), 0.5);
  EXPECT_EQ(scale.at("layers.1.blocks.1.attn.qkvg.weight"), 0.125);
  EXPECT_EQ(scale.at("layers.0.blocks.0.attn.qkvg.bias"), 0.03125);
  EXPECT_EQ(scale.at("patch_embed.proj.0.weight"), 0.015625);
  EXPECT_EQ(decay.at("head.weight"), 0.05);
  EXPECT_EQ(decay.at("head.bias"), 0.0);
}

TEST(LayerDecay, MultipliesTheStep) {
  std::vector<at::Tensor> ends;
  for (const double scale : {1.0, 0.25}) {
    const at::Tensor parameter = torch::zeros({1}).requires_grad_(true);  // (1)
    OptimizerConfig config;
    config.name = OptimizerName::sgd;
    config.momentum = 0;
    Optimizer optimizer(config, {{.lr_scale = scale, .names = {"w"}, .parameters = {parameter}}});
    parameter.mutable_grad() = torch::ones({1});  // (1)
    optimizer.step(0.8);
    ends.push_back(parameter.detach());
  }
  EXPECT_FLOAT_EQ(ends[0].item<float>(), -0.8F);
  EXPECT_FLOAT_EQ(ends[1].item<float>(), -0.2F);
}

TEST(Freezing, TrainsTheHeadAlone) {
  const auto model = small();
  const Freezing freezing(*model, {"*", "!head"});
  for (const auto& item : model->named_parameters()) {
    EXPECT_EQ(item.value().requires_grad(), item.key().starts_with("head.")) << item.key();
  }
  model->train();
  freezing.hold();
  for (const auto& item : model->named_modules()) {
    if (!item.value()->parameters(false).empty()) {
      EXPECT_EQ(item.value()->is_training(), item.key().starts_with("head")) << item.key();
    }
  }
  EXPECT_EQ(parameter_groups(*model, 0.05)[1].names, (std::vector<std::string>{"head.weight"}));
}

TEST(Freezing, ModuleNamesStandForAllBelow) {
  const auto model = small();
  const Freezing freezing(*model, {"patch_embed", "layers.1.blocks.?.attn.*"});
  for (const auto& item : model->named_parameters()) {
    const bool frozen = item.key().starts_with("patch_embed.") ||
                        item.key().starts_with("layers.1.blocks.0.attn.") ||
                        item.key().starts_with("layers.1.blocks.1.attn.");
    EXPECT_EQ(item.value().requires_grad(), !frozen) << item.key();
  }
}

TEST(Freezing, RefusesPatternsWithoutAMeaning) {
  const auto model = small();
  EXPECT_THROW(Freezing(*model, {"layers.9"}), Error);
  EXPECT_THROW(Freezing(*model, {"*"}), Error);
}

TEST(Averaging, IsTheMeanOfEveryEntry) {
  const auto part = [](float value, int64_t count) {
    return io::NamedTensors{{"w", torch::full({2}, value)},                    // (2)
                            {"half", torch::full({3}, value, at::kBFloat16)},  // (3)
                            {"n", torch::full({}, count, at::kLong)}};         // ()
  };
  const auto mean = mean_of({part(1, 4), part(2, 5), part(6, 9)}, {"a", "b", "c"});
  EXPECT_TRUE(torch::equal(mean[0].second, torch::full({2}, 3.0F)));
  EXPECT_EQ(mean[1].second.scalar_type(), at::kBFloat16);
  EXPECT_EQ(mean[1].second[0].item<float>(), 3.0F);
  EXPECT_EQ(mean[2].second.item<int64_t>(), 9);
  io::NamedTensors other = part(1, 1);
  other[1].first = "another";
  EXPECT_THROW(mean_of({part(1, 1), other}, {"a", "b"}), Error);
  other = part(1, 1);
  other[0].second = torch::zeros({3});  // (3)
  EXPECT_THROW(mean_of({part(1, 1), other}, {"a", "b"}), Error);
}

TEST(Distillation, FollowsDeiTsFormula) {
  const at::Tensor student = torch::tensor({{1.0F, 2.0F, -1.0F}, {0.5F, 0.0F, 0.0F}});  // (2, 3)
  const at::Tensor teacher = torch::tensor({{2.0F, 0.0F, 1.0F}, {0.0F, 3.0F, -2.0F}});  // (2, 3)
  // F.kl_div(log_softmax(s / 2), log_softmax(t / 2), reduction="sum", log_target=True) * 4 / 6 and
  // F.cross_entropy(s, t.argmax(1)), torch 2.11.
  EXPECT_NEAR(distillation_loss({.temperature = 2}, student, teacher).mean().item<double>(),
              0.50952184, 1e-6);
  EXPECT_NEAR(
      distillation_loss({.kind = DistillKind::hard}, student, teacher).mean().item<double>(),
      1.32169449, 1e-6);
  EXPECT_THROW(distillation_loss({}, student, torch::zeros({2, 4})), Error);  // (2, 4)
}

}  // namespace
}  // namespace nala::train
