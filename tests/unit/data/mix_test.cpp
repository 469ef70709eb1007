#include "data/mix.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace nala::data {
namespace {

TEST(Mix, MixupBlendsPartnersBothWays) {
  // Two pictures of one pixel.
  std::vector<float> own{0, 10, 20};
  std::vector<float> partner{100, 10, 40};
  const MixPlan plan{.kind = MixPlan::Kind::mixup, .weight = 0.75F};
  mix_pair(plan, 1, 1, own.data(), partner.data());
  EXPECT_EQ(own, (std::vector<float>{25, 10, 25}));
  EXPECT_EQ(partner, (std::vector<float>{75, 10, 35}));
  const std::array<int64_t, 4> labels{5, 6, 7, 8};
  std::array<int64_t, 4> others{};
  std::array<float, 4> weights{};
  mix_labels(plan, labels, others, weights);
  EXPECT_EQ(others, (std::array<int64_t, 4>{8, 7, 6, 5}));
  EXPECT_EQ(weights, (std::array<float, 4>{0.75F, 0.75F, 0.75F, 0.75F}));
}

TEST(Mix, CutmixSwapsTheWindow) {
  constexpr int64_t kHeight = 3, kWidth = 4;
  std::vector<float> images(2 * kHeight * kWidth * 3);
  std::fill(images.begin() + kHeight * kWidth * 3, images.end(), 1.0F);
  const MixPlan plan{
      .kind = MixPlan::Kind::cutmix, .weight = 0.5F, .top = 1, .bottom = 3, .left = 1, .right = 4};
  mix_pair(plan, kHeight, kWidth, images.data(), images.data() + kHeight * kWidth * 3);
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      const bool inside = y >= 1 && x >= 1;
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t at = (y * kWidth + x) * 3 + c;
        EXPECT_EQ(images[static_cast<size_t>(at)], inside ? 1.0F : 0.0F);
        EXPECT_EQ(images[static_cast<size_t>(at + kHeight * kWidth * 3)], inside ? 0.0F : 1.0F);
      }
    }
  }
}

TEST(Mix, CutmixWeighsByTheAreaLeft) {
  AugmentConfig config;
  config.cutmix = 1.0;
  for (uint64_t i = 0; i < 2000; ++i) {
    Rng rng(Stream::mix, {i});
    const MixPlan plan = draw_mix(config, 40, 60, rng);
    ASSERT_EQ(plan.kind, MixPlan::Kind::cutmix);
    ASSERT_TRUE(0 <= plan.top && plan.top <= plan.bottom && plan.bottom <= 40);
    ASSERT_TRUE(0 <= plan.left && plan.left <= plan.right && plan.right <= 60);
    const auto area = static_cast<double>((plan.bottom - plan.top) * (plan.right - plan.left));
    ASSERT_FLOAT_EQ(plan.weight, static_cast<float>(1.0 - area / 2400.0));
  }
}

TEST(Mix, PlansFollowTheProbabilities) {
  AugmentConfig config;
  config.mixup = 0.8;
  config.cutmix = 1.0;
  config.mix_probability = 0.7;
  config.switch_probability = 0.25;
  std::array<int, 3> kinds{};
  double weight = 0;
  double square = 0;
  constexpr int kDraws = 40000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    Rng rng(Stream::mix, {i});
    const MixPlan plan = draw_mix(config, 32, 32, rng);
    ++kinds[static_cast<size_t>(plan.kind)];
    if (plan.kind == MixPlan::Kind::none) {
      ASSERT_EQ(plan.weight, 1.0F);
    }
    if (plan.kind == MixPlan::Kind::mixup) {
      weight += plan.weight;
      square += plan.weight * plan.weight;
    }
  }
  EXPECT_NEAR(kinds[0], 0.3 * kDraws, 460);         // none; five standard deviations
  EXPECT_NEAR(kinds[1], 0.7 * 0.75 * kDraws, 500);  // mixup
  EXPECT_NEAR(kinds[2], 0.7 * 0.25 * kDraws, 380);  // cutmix
  // Beta(0.8, 0.8): mean 1/2, variance 1 / (4 (2 * 0.8 + 1)).
  weight /= kinds[1];
  square /= kinds[1];
  EXPECT_NEAR(weight, 0.5, 0.012);
  EXPECT_NEAR(square - weight * weight, 1.0 / 10.4, 0.004);
}

TEST(Mix, OffMeansNone) {
  Rng rng(Stream::mix, {1});
  EXPECT_EQ(draw_mix({}, 8, 8, rng), MixPlan{});
}

}  // namespace
}  // namespace nala::data
