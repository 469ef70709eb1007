// Super-resolution's losses and the means of its metrics.

#include "train/tasks/upscale.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace nala::train {
namespace {

TEST(Upscale, LossesAreTheirFormulas) {
  const at::Tensor result = torch::tensor({0.5F, 0.25F}).view({2, 1, 1, 1});
  const at::Tensor target = torch::tensor({0.25F, 0.25F}).view({2, 1, 1, 1});
  const at::Tensor l1 = pixel_loss({}, result, target);
  EXPECT_FLOAT_EQ(l1[0].item<float>(), 0.25F);
  EXPECT_FLOAT_EQ(l1[1].item<float>(), 0.0F);
  const UpscaleConfig charbonnier{.loss = UpscaleLoss::charbonnier, .charbonnier_eps = 0.1};
  const at::Tensor loss = pixel_loss(charbonnier, result, target);
  EXPECT_NEAR(loss[0].item<double>(), std::sqrt(0.0625 + 0.01), 1e-6);
  EXPECT_NEAR(loss[1].item<double>(), 0.1, 1e-6);
}

std::shared_ptr<const data::SuperResolutionSets> two_sets() {
  return std::make_shared<data::SuperResolutionSets>(
      std::vector<std::string>{"A", "B"},
      std::vector<data::SuperResolutionSets::Entry>{
          {.high = "x/one.png"}, {.high = "x/two.png"}, {.high = "y/three.png", .set = 1}},
      2, 0);
}

TEST(Upscale, TargetsComeAsTheLoaderStacksThem) {
  const UpscaleTask task({}, {}, two_sets());
  const at::Tensor targets = at::rand({2, 4, 6, 3});  // (B, H, W, C)
  const StepLoss loss =
      task.loss({.main = targets.permute({0, 3, 1, 2}) + 0.125}, {.targets = targets});
  EXPECT_NEAR(loss.total.item<double>(), 0.125, 1e-6);
  EXPECT_EQ(loss.per_sample.sizes(), (std::vector<int64_t>{2}));
}

// Two pictures of A and one of B, each (evaluated, four of the network, four of bicubic).
at::Tensor tally() {
  return torch::tensor({{1.0, 30.0, 0.9, 28.0, 0.8, 20.0, 0.5, 18.0, 0.4},
                        {1.0, 34.0, 0.8, 30.0, 0.6, 24.0, 0.7, 20.0, 0.6},
                        {1.0, 10.0, 0.1, 11.0, 0.2, 12.0, 0.3, 13.0, 0.4}},
                       at::kDouble);
}

TEST(Upscale, MetricsAreMeansOverThePicturesOfEachSet) {
  const UpscaleTask task({}, {.protocol = data::SuperResolutionProtocol::C, .scale = 2},
                         two_sets());
  const auto metrics = task.metrics(tally().flatten());
  EXPECT_DOUBLE_EQ(metrics["psnr_y"], 32);
  EXPECT_DOUBLE_EQ(metrics["sets"]["A"]["ssim_y"], 0.85);
  EXPECT_DOUBLE_EQ(metrics["sets"]["A"]["ssim_rgb"], 0.7);
  EXPECT_DOUBLE_EQ(metrics["sets"]["B"]["psnr_rgb"], 11);
  EXPECT_DOUBLE_EQ(metrics["bicubic"]["sets"]["A"]["psnr_y"], 22);
  EXPECT_EQ(metrics["images"], 3);
  EXPECT_EQ(metrics["protocol"], "C");
}

TEST(Upscale, SharesOfASetAddUp) {
  const UpscaleTask task({}, {}, two_sets());
  at::Tensor first = tally();
  at::Tensor second = tally();
  first.narrow(0, 1, 2).zero_();
  second[0].zero_();
  EXPECT_EQ(task.metrics((first + second).flatten()), task.metrics(tally().flatten()));
  // A picture that could not be read leaves the mean.
  EXPECT_DOUBLE_EQ(task.metrics(first.flatten())["sets"]["A"]["psnr_y"], 30);
  EXPECT_FALSE(task.metrics(first.flatten())["sets"].contains("B"));
  EXPECT_THROW(task.metrics(at::zeros({27}, at::kDouble)), Error);
}

TEST(Upscale, WritesALinePerPicture) {
  const UpscaleTask task({}, {}, two_sets());
  const auto folder = std::filesystem::temp_directory_path() / "nala_upscale_test";
  std::filesystem::create_directories(folder);
  task.write_details(tally().flatten(), folder);
  const std::string text = read_file(folder / "pictures.csv");
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(text.starts_with("set,picture,psnr_y,ssim_y,psnr_rgb,ssim_rgb,bicubic_psnr_y,"));
  EXPECT_NE(text.find("\nB,three,10.0000,0.10000,11.0000,0.20000,12.0000,"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

}  // namespace
}  // namespace nala::train
