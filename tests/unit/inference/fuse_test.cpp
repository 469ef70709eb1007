#include "inference/fuse.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/error.h"
#include "ops/cpu/machine.h"

namespace nala::inference {
namespace {

using models::AttentionMap;
using ops::cpu::Precision;

models::ModelConfig small_model() {
  models::ModelConfig config;
  config.name = models::ModelName::custom;
  config.embed_dims = {16, 32, 48, 64};
  config.depths = {1, 2, 1, 1};
  config.heads = {1, 2, 4, 2};
  config.mlp_ratio = 3.5;
  config.stage_kinds = {"linear", "lv", "softmax", "softmax"};
  config.layer_scale = {1, 1, 1, 1};
  config.projection = 40;
  config.drop_path = 0.1;
  config.num_classes = 7;
  return config;
}

// Every parameter and statistic away from its neutral initial value.
std::shared_ptr<models::Model> lively(const models::ModelConfig& config, models::Task task) {
  auto model = models::build_model(config, task, 1);
  torch::manual_seed(2);
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : model->parameters()) {
    parameter.add_(0.2 * at::randn_like(parameter));
  }
  for (const auto& buffer : model->named_buffers()) {
    if (buffer.key().ends_with("running_mean")) {
      buffer.value().normal_(0, 0.3);
    } else if (buffer.key().ends_with("running_var")) {
      buffer.value().uniform_(0.5, 2);
    }
  }
  model->eval();
  return model;
}

// Largest difference over the largest output.
double error_of(const models::ModelConfig& config,
                at::IntArrayRef shape,
                Precision precision = Precision::float32,
                models::Task task = models::Task::classification) {
  const auto model = lively(config, task);
  const auto fast = fused(model, config, precision);
  const at::NoGradGuard no_grad;
  const at::Tensor images =
      at::randn(shape).contiguous(at::MemoryFormat::ChannelsLast);  // (B, 3, H, W)
  const at::Tensor expected = model->forward(images, {}).main;
  const at::Tensor got = fast->forward(images, {}).main;
  EXPECT_EQ(got.sizes(), expected.sizes());
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

class Fused : public testing::Test {
 protected:
  void SetUp() override {
    if (ops::cpu::machine_kernels(Precision::float32).layers == nullptr) {
      GTEST_SKIP() << "the processor has no AVX2";
    }
  }
};

TEST_F(Fused, EqualsTheModelAtEverySize) {
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{
           {64, 64}, {37, 53}, {1, 1}, {5, 2}, {224, 32}, {96, 130}}) {
    EXPECT_LT(error_of(small_model(), {2, 3, height, width}), 3e-6) << height << " x " << width;
  }
}

TEST_F(Fused, EqualsTheModelWithFewerPicturesThanThreadsAndWithMore) {
  const int threads = at::get_num_threads();
  for (const int used : {1, 2, 3}) {
    at::set_num_threads(used);
    for (const int64_t batch : {1, 2, 5}) {
      EXPECT_LT(error_of(small_model(), {batch, 3, 96, 80}), 3e-6) << used << " " << batch;
    }
  }
  at::set_num_threads(threads);
}

TEST_F(Fused, LargeMapsGoRowByRow) {
  models::ModelConfig config = small_model();
  config.embed_dims = {32, 64, 96, 128};
  EXPECT_LT(error_of(config, {1, 3, 256, 320}), 3e-6);
  EXPECT_LT(error_of(config, {2, 3, 256, 320}), 3e-6);
}

TEST_F(Fused, EveryFormOfAttention) {
  for (const AttentionMap map :
       {AttentionMap::relu_split, AttentionMap::cosine, AttentionMap::softmax, AttentionMap::elu,
        AttentionMap::relu, AttentionMap::focused}) {
    models::ModelConfig config = small_model();
    config.attention.feature_map = map;
    EXPECT_LT(error_of(config, {2, 3, 64, 64}), 1e-5) << static_cast<int>(map);
  }
  for (bool models::AttentionConfig::*part :
       {&models::AttentionConfig::rope, &models::AttentionConfig::gate,
        &models::AttentionConfig::lepe, &models::AttentionConfig::norm_aware}) {
    models::ModelConfig config = small_model();
    config.attention.*part = false;
    EXPECT_LT(error_of(config, {2, 3, 64, 64}), 3e-6);
  }
  models::ModelConfig plain = small_model();
  plain.layer_scale.emplace();
  EXPECT_LT(error_of(plain, {2, 3, 64, 64}), 3e-6);
}

TEST_F(Fused, SegmentationRunsItsHeadAsBefore) {
  models::ModelConfig config = small_model();
  config.segmentation.neck_channels = 32;
  EXPECT_LT(error_of(config, {2, 3, 70, 96}, Precision::float32, models::Task::segmentation), 1e-5);
}

models::ModelConfig small_upscaler() {
  models::ModelConfig config;
  config.super_resolution = {.size = models::SuperResolutionSize::custom,
                             .scale = 2,
                             .channels = 16,
                             .groups = std::vector<int64_t>{2, 1},
                             .heads = 2};
  return config;
}

double upscaler_error(const models::ModelConfig& config, at::IntArrayRef shape) {
  return error_of(config, shape, Precision::float32, models::Task::super_resolution);
}

// Up to 16 384 pixels as a whole, more of them in bands of rows, of 8 rows or more.
TEST_F(Fused, SuperResolutionAtEverySize) {
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {5, 2}, {40, 53}, {129, 128}, {151, 163}, {11, 1700}, {1700, 11}}) {
    EXPECT_LT(upscaler_error(small_upscaler(), {1, 3, height, width}), 5e-6)
        << height << " x " << width;
  }
  EXPECT_LT(upscaler_error(small_upscaler(), {3, 3, 24, 31}), 5e-6);
}

TEST_F(Fused, SuperResolutionOfEveryForm) {
  for (const auto reconstruction : {models::Reconstruction::direct, models::Reconstruction::deep}) {
    for (const int64_t scale : {3, 4}) {
      models::ModelConfig config = small_upscaler();
      config.super_resolution.scale = scale;
      config.super_resolution.reconstruction = reconstruction;
      EXPECT_LT(upscaler_error(config, {1, 3, 27, 700}), 5e-6) << scale;
    }
  }
  for (bool models::AttentionConfig::*part :
       {&models::AttentionConfig::rope, &models::AttentionConfig::gate,
        &models::AttentionConfig::lepe, &models::AttentionConfig::norm_aware}) {
    models::ModelConfig config = small_upscaler();
    config.super_resolution.channels = 24;  // parts of the projection that begin inside a panel
    config.super_resolution.layer_scale = 0.5;
    config.attention.*part = false;
    EXPECT_LT(upscaler_error(config, {1, 3, 150, 120}), 5e-6);
  }
  models::ModelConfig softmax = small_upscaler();
  softmax.attention.feature_map = AttentionMap::softmax;
  EXPECT_LT(upscaler_error(softmax, {1, 3, 30, 40}), 5e-6);
  EXPECT_LT(error_of(small_upscaler(), {1, 3, 140, 130}, Precision::bfloat16,
                     models::Task::super_resolution),
            0.05);
}

TEST_F(Fused, StreamedResultsDoNotDependOnThreads) {
  const auto config = small_upscaler();
  const auto fast =
      fused(lively(config, models::Task::super_resolution), config, Precision::float32);
  const at::NoGradGuard no_grad;
  const at::Tensor images = at::randn({1, 3, 192, 160});
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int used : {1, 2, 4}) {
    at::set_num_threads(used);
    results.push_back(fast->forward(images, {}).main);
  }
  at::set_num_threads(threads);
  EXPECT_LT((results[0] - results[1]).abs().max().item<double>(), 1e-5);
  EXPECT_LT((results[0] - results[2]).abs().max().item<double>(), 1e-5);
}

TEST_F(Fused, Bfloat16FactorsLoseLittle) {
  EXPECT_LT(error_of(small_model(), {3, 3, 96, 64}, Precision::bfloat16), 0.05);
}

TEST_F(Fused, ResultsDoNotDependOnThreads) {
  const auto config = small_model();
  const auto fast = fused(lively(config, models::Task::classification), config, Precision::float32);
  const at::NoGradGuard no_grad;
  const at::Tensor images = at::randn({2, 3, 192, 160});
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int used : {1, 2, 4}) {
    at::set_num_threads(used);
    results.push_back(fast->forward(images, {}).main);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_TRUE(at::equal(results[0], results[2]));
}

TEST_F(Fused, RefusesWhatItDoesNotKnow) {
  models::ModelConfig config = small_model();
  config.attention.feature_map = AttentionMap::pola;
  const auto model = models::build_model(config, models::Task::classification, 0);
  EXPECT_THROW(fused(model, config, Precision::float32), Error);
}

}  // namespace
}  // namespace nala::inference
