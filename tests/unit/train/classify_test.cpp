// The classification loss and what a batch's mixing makes of it.

#include "train/tasks/classify.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "train/amp.h"

namespace nala::train {
namespace {

TEST(Classify, SmoothedTargetsAreTimms) {
  const data::Batch batch{.labels = at::tensor({1L, 0L})};
  const at::Tensor targets = soft_targets(batch, 4, 0.1);
  // off = 0.1 / 4, on = 0.9 + 0.1 / 4.
  EXPECT_TRUE(at::allclose(
      targets,
      torch::tensor({{0.025, 0.925, 0.025, 0.025}, {0.925, 0.025, 0.025, 0.025}}, at::kFloat)));
}

TEST(Classify, MixedTargetsWeighBothLabels) {
  const data::Batch batch{.labels = at::tensor({1L, 2L}),
                          .other_labels = at::tensor({2L, 2L}),
                          .label_weights = torch::tensor({0.75, 0.5}, at::kFloat)};
  const at::Tensor targets = soft_targets(batch, 3, 0.0);
  EXPECT_TRUE(
      at::allclose(targets, torch::tensor({{0.0, 0.75, 0.25}, {0.0, 0.0, 1.0}}, at::kFloat)));
}

TEST(Classify, LossIsTheMeanOverSamples) {
  Recipe recipe;
  recipe.train.label_smoothing = 0;
  const ClassifyTask task(recipe, nullptr);
  const at::Tensor logits = torch::tensor({{0.0, 0.0}, {std::log(3.0), 0.0}}, at::kFloat);
  const StepLoss loss = task.loss({.main = logits}, {.labels = at::tensor({0L, 0L})});
  EXPECT_NEAR(loss.per_sample[0].item<double>(), std::log(2.0), 1e-6);
  EXPECT_NEAR(loss.per_sample[1].item<double>(), std::log(4.0 / 3.0), 1e-6);
  EXPECT_NEAR(loss.total.item<double>(), (std::log(2.0) + std::log(4.0 / 3.0)) / 2, 1e-6);
}

TEST(Amp, ScopeCastsProductsAndRestores) {
  const at::Tensor a = at::ones({4, 4});
  {
    const AutocastScope outer(Amp::bf16, at::kCPU);
    EXPECT_EQ(a.mm(a).scalar_type(), at::kBFloat16);
    {
      const AutocastScope inner(Amp::none, at::kCPU);
      EXPECT_EQ(a.mm(a).scalar_type(), at::kFloat);
    }
    EXPECT_EQ(a.mm(a).scalar_type(), at::kBFloat16);
  }
  EXPECT_EQ(a.mm(a).scalar_type(), at::kFloat);
}

TEST(Amp, ScalerHalvesOnOverflowAndDoublesWhenAllIsWell) {
  LossScaler scaler(true);
  EXPECT_EQ(scaler.scale(), 65536.0);
  EXPECT_FALSE(scaler.update(false));
  EXPECT_EQ(scaler.scale(), 32768.0);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_TRUE(scaler.update(true));
  }
  EXPECT_EQ(scaler.scale(), 65536.0);
  const at::Tensor gradient = at::full({2}, 65536.0);
  scaler.unscale({gradient});
  EXPECT_TRUE(gradient.equal(at::ones({2})));
  EXPECT_ANY_THROW(for (int i = 0; i < 40; ++i) scaler.update(false));
  LossScaler off(false);
  EXPECT_EQ(off.scale(), 1.0);
  EXPECT_TRUE(off.update(false));
}

}  // namespace
}  // namespace nala::train
