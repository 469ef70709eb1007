#include "train/tasks/segment.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "train/weights.h"

namespace nala::train {
namespace {

// Logits of two classes on 1 x 2 pixels: class 0 has probability `first` there.
at::Tensor logits_of(const std::vector<double>& first) {
  at::Tensor logits = at::zeros({1, 2, 1, std::ssize(first)});
  for (int64_t i = 0; i < std::ssize(first); ++i) {
    const double p = first[static_cast<size_t>(i)];
    logits[0][0][0][i] = std::log(p / (1 - p));
  }
  return logits;
}

at::Tensor labels_of(const std::vector<int64_t>& labels) {
  return at::tensor(labels, at::TensorOptions(at::kLong)).to(at::kByte).view({1, 1, -1});
}

TEST(SegmentationLoss, DividesByAllPixelsOrTheValidOnes) {
  const at::Tensor logits = logits_of({0.8, 0.8, 0.5, 0.1});
  const at::Tensor labels = labels_of({0, 1, 255, 255});
  const double sum = -std::log(0.8) - std::log(0.2);
  EXPECT_NEAR(segmentation_loss({}, logits, labels).item<double>(), sum / 4, 1e-6);
  EXPECT_NEAR(segmentation_loss({.average_valid = true}, logits, labels).item<double>(), sum / 2,
              1e-6);
  const SegmentConfig weighted{.class_weights = {3, 0.5}};
  EXPECT_NEAR(segmentation_loss(weighted, logits, labels).item<double>(),
              (-3 * std::log(0.8) - 0.5 * std::log(0.2)) / 4, 1e-6);
}

TEST(SegmentationLoss, NoValidPixelIsNoLoss) {
  for (const bool valid : {false, true}) {
    const at::Tensor logits = logits_of({0.8, 0.3}).requires_grad_();
    const at::Tensor loss =
        segmentation_loss({.average_valid = valid, .ohem_kept = 1}, logits, labels_of({255, 255}));
    EXPECT_EQ(loss.item<double>(), 0);
    loss.sum().backward();
    EXPECT_EQ(logits.grad().abs().max().item<double>(), 0);
  }
}

// A batch's mean over its valid pixels is the mean of what the pictures give.
TEST(SegmentationLoss, PicturesWithMoreValidPixelsWeighMore) {
  const at::Tensor logits = at::cat({logits_of({0.8, 0.8}), logits_of({0.4, 0.4})});
  const at::Tensor labels = at::cat({labels_of({0, 0}), labels_of({0, 255})});
  EXPECT_NEAR(segmentation_loss({.average_valid = true}, logits, labels).mean().item<double>(),
              (-2 * std::log(0.8) - std::log(0.4)) / 3, 1e-6);
}

// 1 x 1 logits are enlarged to the labels' size.
TEST(SegmentationLoss, ResizesLogitsToTheLabels) {
  EXPECT_NEAR(segmentation_loss({}, logits_of({0.8}), labels_of({0, 0, 1})).item<double>(),
              (-2 * std::log(0.8) - std::log(0.2)) / 3, 1e-6);
}

TEST(HardPixels, BelowTheThresholdOrAmongTheLowest) {
  const at::Tensor labels = labels_of({0, 0, 0, 0, 255}).to(at::kLong);
  const at::Tensor logits = logits_of({0.9, 0.2, 0.6, 0.75, 0.01});
  const auto kept = [&](int64_t count, double threshold) {
    const at::Tensor mask = hard_pixels(logits, labels, count, threshold).flatten();
    return std::vector<float>(mask.const_data_ptr<float>(), mask.const_data_ptr<float>() + 5);
  };
  EXPECT_EQ(kept(1, 0.7), (std::vector<float>{0, 1, 1, 0, 0}));
  // The fourth lowest is the limit: the three below it count, whatever the threshold.
  EXPECT_EQ(kept(3, 0.1), (std::vector<float>{0, 1, 1, 1, 0}));
}

TEST(DiceLoss, HandWorked) {
  const double found =
      dice_loss(logits_of({0.8, 0.4, 0.9}), labels_of({0, 1, 255}).to(at::kLong)).item<double>();
  const double first = 1 - (2 * 0.8 + 1) / (0.64 + 0.16 + 1 + 1);
  const double second = 1 - (2 * 0.6 + 1) / (0.04 + 0.36 + 1 + 1);
  EXPECT_NEAR(found, (first + second) / 2, 1e-6);
}

SegmentTask task_of(const SegmentConfig& config) {
  return {config,
          {},
          std::make_shared<data::LabelledPictures>(
              std::vector<data::LabelledPictures::Entry>{},
              data::SegmentationClasses{{"a", "b"}, {{1, 2, 3}, {4, 5, 6}}}, true, "a table")};
}

TEST(SegmentTask, AddsTheAuxiliaryLoss) {
  data::Batch batch;
  batch.targets = labels_of({0, 1});
  const models::Outputs outputs{.main = logits_of({0.8, 0.8}), .auxiliary = logits_of({0.6, 0.6})};
  const double main = (-std::log(0.8) - std::log(0.2)) / 2;
  const double other = (-std::log(0.6) - std::log(0.4)) / 2;
  const StepLoss loss = task_of({.auxiliary_weight = 0.4}).loss(outputs, batch);
  EXPECT_NEAR(loss.total.item<double>(), main + 0.4 * other, 1e-6);
  EXPECT_NEAR(loss.per_sample[0].item<double>(), main + 0.4 * other, 1e-6);
}

TEST(SegmentTask, MetricsComeFromTheTally) {
  const SegmentTask task = task_of({});
  const nlohmann::ordered_json metrics =
      task.metrics(at::tensor(std::vector<double>{6, 2, 0, 0, 3}, at::kDouble));
  EXPECT_DOUBLE_EQ(metrics.at("miou").get<double>(), 37.5);  // 6 / 8 and 0 / 2
  EXPECT_DOUBLE_EQ(metrics.at("aacc").get<double>(), 75);
  EXPECT_EQ(metrics.at("images").get<int64_t>(), 3);
  EXPECT_EQ(metrics.at("per_class").at(1).at("name"), "b");
  EXPECT_THROW(static_cast<void>(task.metrics(at::zeros({5}, at::kDouble))), Error);
}

TEST(SegmentTask, RefusesWeightsOfAnotherNumberOfClasses) {
  EXPECT_THROW(task_of({.class_weights = {1, 2, 3}}), Error);
}

TEST(NamedFor, PutsAClassifiersBackboneBelowItsName) {
  const io::NamedTensors tensors = {
      {"patch_embed.proj.0.weight", {}}, {"layers.0.RoPE.angle", {}}, {"head.weight", {}}};
  const io::NamedTensors renamed = named_for(models::Task::segmentation, tensors);
  EXPECT_EQ(renamed[0].first, "backbone.patch_embed.proj.0.weight");
  EXPECT_EQ(renamed[1].first, "backbone.layers.0.RoPE.angle");
  EXPECT_EQ(renamed[2].first, "head.weight");
  EXPECT_EQ(named_for(models::Task::classification, tensors)[0].first, tensors[0].first);
}

}  // namespace
}  // namespace nala::train
