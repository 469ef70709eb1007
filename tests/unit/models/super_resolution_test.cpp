#include "models/super_resolution.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/error.h"
#include "models/describe.h"
#include "small_model.h"

namespace nala::models {
namespace {

ModelConfig small_upscaler(int64_t scale, Reconstruction reconstruction = Reconstruction::direct) {
  ModelConfig config;
  config.super_resolution = {.size = SuperResolutionSize::custom,
                             .scale = scale,
                             .channels = 16,
                             .groups = std::vector<int64_t>{2, 1},
                             .heads = 2,
                             .reconstruction = reconstruction};
  return config;
}

std::shared_ptr<Model> build(const ModelConfig& config, uint64_t seed = 1) {
  return build_model(config, Task::super_resolution, seed);
}

int64_t parameters_of(const torch::nn::Module& model) {
  int64_t count = 0;
  for (const at::Tensor& parameter : model.parameters()) {
    count += parameter.numel();
  }
  return count;
}

TEST(SuperResolver, EnlargesAnySizeByEveryScale) {
  for (const auto reconstruction : {Reconstruction::direct, Reconstruction::deep}) {
    for (const int64_t scale : {2, 3, 4}) {
      const auto model = build(small_upscaler(scale, reconstruction));
      model->eval();
      for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {8, 12}}) {
        EXPECT_EQ(model->forward(pictures(2, height, width), {}).main.sizes(),
                  (std::vector<int64_t>{2, 3, scale * height, scale * width}));
      }
    }
  }
}

// By hand, C = 64: a block has 9 C^2 + 80 C, a 3x3 convolution 9 C^2 + C.
TEST(SuperResolver, HasTheStatedSizes) {
  ModelConfig config;
  config.super_resolution.scale = 2;
  EXPECT_EQ(describe(resolve(config), Task::super_resolution, 64, 64).parameters(),
            16 * (9 * 4096 + 80 * 64) + 5 * (9 * 4096 + 64) + (27 * 64 + 64) + (9 * 64 * 12 + 12));
  EXPECT_EQ(title_of(resolve(config), Task::super_resolution), "super-resolution light x2");
  EXPECT_EQ(title_of(resolve(config), Task::classification), "nalaformer_xt");
  config.super_resolution.size = SuperResolutionSize::base;
  EXPECT_NEAR(
      static_cast<double>(describe(resolve(config), Task::super_resolution, 64, 64).parameters()),
      10.9e6, 0.1e6);
  for (const auto reconstruction : {Reconstruction::direct, Reconstruction::deep}) {
    for (const int64_t scale : {2, 3, 4}) {
      const ModelConfig small = small_upscaler(scale, reconstruction);
      EXPECT_EQ(describe(resolve(small), Task::super_resolution, 9, 9).parameters(),
                parameters_of(*build(small)));
    }
  }
}

TEST(SuperResolver, CountsMultiplyAddsAtBothResolutions) {
  const Description description =
      describe(resolve(small_upscaler(4, Reconstruction::deep)), Task::super_resolution, 5, 6);
  EXPECT_EQ(description.below("conv_first").multiply_adds(), 30 * 27 * 16);
  EXPECT_EQ(description.below("upsample.0").multiply_adds(), 30 * 9 * 64 * 256);
  EXPECT_EQ(description.below("upsample.1").multiply_adds(), 4 * 30 * 9 * 64 * 256);
  EXPECT_EQ(description.below("conv_last").multiply_adds(), 16 * 30 * 9 * 64 * 3);
}

// Cubic convolution with a = -1/2 reproduces parabolas (Keys 1981); other cubics do not.
TEST(SuperResolver, AddsToTheBicubicPicture) {
  for (const int64_t scale : {2, 3}) {
    const auto model = build(small_upscaler(scale));
    const torch::NoGradGuard no_grad;
    for (const auto& item : model->named_parameters()) {
      if (item.key().starts_with("upsample")) {
        item.value().zero_();
      }
    }
    const at::Tensor x = at::arange(12, at::kFloat) / 12;
    const at::Tensor image = (x * x).expand({1, 3, 6, 12}).clone();
    const at::Tensor y = model->forward(image, {}).main;
    const int64_t margin = 2 * scale;
    const at::Tensor at_x =
        ((at::arange(12 * scale, at::kFloat) + 0.5) / static_cast<double>(scale) - 0.5) / 12;
    const at::Tensor inside = y.narrow(3, margin, 12 * scale - 2 * margin);
    const at::Tensor expected = at_x.square().narrow(0, margin, 12 * scale - 2 * margin);
    EXPECT_TRUE(at::allclose(inside, expected.expand_as(inside), 1e-5, 1e-5));
  }
}

TEST(SuperResolver, HasNoBatchNormAndTreatsEveryPictureAlone) {
  const auto model = build(small_upscaler(2));
  for (const auto& buffer : model->named_buffers()) {
    EXPECT_EQ(buffer.key(), "RoPE.angle");
  }
  const at::Tensor two = pictures(2, 6, 7);
  const at::Tensor both = model->forward(two, {}).main;
  EXPECT_TRUE(
      at::allclose(model->forward(two.narrow(0, 1, 1), {}).main, both.narrow(0, 1, 1), 1e-5, 1e-6));
}

TEST(SuperResolver, EveryParameterLearns) {
  const auto model = build(small_upscaler(2));
  const at::Tensor y = model->forward(pictures(1, 6, 7), {}).main;
  (y * pictures(1, 12, 14)).sum().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

TEST(SuperResolver, OneKeyMakesItSoftmax) {
  ModelConfig config = small_upscaler(2);
  const auto linear = build(config);
  config.attention.feature_map = AttentionMap::softmax;
  const auto softmax = build(config);
  EXPECT_EQ(parameters_of(*linear), parameters_of(*softmax));
  const at::Tensor x = pictures(1, 6, 7);
  EXPECT_FALSE(at::allclose(linear->forward(x, {}).main, softmax->forward(x, {}).main, 0, 1e-7));
}

TEST(SuperResolver, RefusesWhatCannotBe) {
  EXPECT_THROW(build(small_upscaler(0)), Error);
  EXPECT_THROW(build(small_upscaler(1)), Error);
  EXPECT_THROW(describe(resolve(small_upscaler(0)), Task::super_resolution, 8, 8), Error);
  ModelConfig config = small_upscaler(2);
  config.super_resolution.heads = 3;
  EXPECT_THROW(build(config), Error);
  config.super_resolution.heads = 8;  // 2 channels per head
  EXPECT_THROW(build(config), Error);
  config = small_upscaler(2);
  config.super_resolution.groups = std::vector<int64_t>{};
  EXPECT_THROW(build(config), Error);
  config.super_resolution.groups.reset();
  EXPECT_THROW(build(config), Error);
}

}  // namespace
}  // namespace nala::models
