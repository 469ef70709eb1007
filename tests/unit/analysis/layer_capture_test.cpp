#include "analysis/layer_capture.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "analysis/receptive_field.h"

namespace nala::analysis {
namespace {

std::shared_ptr<models::Model> small_classifier() {
  models::ModelConfig config;
  config.name = models::ModelName::custom;
  config.embed_dims = {8, 8, 16, 16};
  config.depths = {1, 2, 1, 1};
  config.heads = {1, 2, 2, 4};
  config.mlp_ratio = 2;
  config.stage_kinds = {"l", "lv", "v", "l"};
  config.layer_scale = std::vector<double>{};
  config.projection = 16;
  config.drop_path = 0;
  config.num_classes = 3;
  config.attention.feature_map = models::AttentionMap::cosine;
  config.attention.alpha = 7;
  auto model = models::build_model(config, models::Task::classification, 5);
  model->eval();
  return model;
}

// (1, 3, 40, 72): 10 x 18 tokens in the first stage, 5 x 9 in the second.
at::Tensor picture() {
  return at::arange(3 * 40 * 72, at::kFloat).sin().view({1, 3, 40, 72});
}

TEST(LayerCapture, SeesEveryAttentionInOrder) {
  const auto model = small_classifier();
  const at::Tensor before = model->forward(picture(), {}).main.detach();
  const std::vector<CapturedLayer> layers = capture_layers(*model, picture());
  ASSERT_EQ(layers.size(), 5U);
  EXPECT_EQ(layers[0].name, "layers.0.blocks.0");
  EXPECT_EQ(layers[2].name, "layers.1.blocks.1");
  EXPECT_EQ(layers[4].name, "layers.3.blocks.0");
  EXPECT_EQ(layers[0].q.sizes(), (std::vector<int64_t>{1, 180, 8}));
  EXPECT_EQ(layers[1].k.sizes(), (std::vector<int64_t>{2, 45, 4}));
  EXPECT_EQ(layers[1].height, 5);
  EXPECT_EQ(layers[1].width, 9);
  EXPECT_EQ(layers[1].rotation.cos.sizes(), (std::vector<int64_t>{45, 4}));
  EXPECT_FALSE(layers[1].kernel.softmax);
  EXPECT_EQ(layers[1].kernel.map, ops::FeatureMap::cosine);
  EXPECT_EQ(layers[1].kernel.alpha, 7);
  EXPECT_TRUE(layers[2].kernel.softmax);
  EXPECT_EQ(layers[2].linear.map, ops::FeatureMap::cosine);
  // Nobody watches afterwards, and nothing has changed.
  EXPECT_TRUE(at::equal(model->forward(picture(), {}).main, before));
  EXPECT_EQ(layers.size(), 5U);
}

TEST(ReceptiveField, SumsToOneAndIsLargestInTheMiddle) {
  const auto model = small_classifier();
  const ReceptiveField field = receptive_field(*model, picture());
  EXPECT_EQ(field.gradient.sizes(), (std::vector<int64_t>{40, 72}));
  EXPECT_NEAR(field.gradient.sum().item<double>(), 1, 1e-4);
  EXPECT_EQ(field.map_height, 2);
  EXPECT_EQ(field.map_width, 3);
  EXPECT_GT(field.half_area, 0);
  EXPECT_LT(field.half_area, 0.5);
  EXPECT_GT(field.most_area, field.half_area);
  EXPECT_LE(field.most_area, 1);
  for (const at::Tensor& parameter : model->parameters()) {
    EXPECT_FALSE(parameter.grad().defined());
  }
}

}  // namespace
}  // namespace nala::analysis
