#include "data/mix.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace nala::data {
namespace {

// The window of CutMix: int(side * sqrt(1 - lambda)) around a uniform centre, clipped.
std::pair<int64_t, int64_t> cut(int64_t side, double lambda, Rng& rng) {
  const auto length = static_cast<int64_t>(static_cast<double>(side) * std::sqrt(1.0 - lambda));
  const int64_t centre = rng.integer(side);
  return {std::clamp<int64_t>(centre - length / 2, 0, side),
          std::clamp<int64_t>(centre + length / 2, 0, side)};
}

void blend(float weight, int64_t length, float* a, float* b) {
  for (int64_t i = 0; i < length; ++i) {
    const float own = a[i];
    const float partner = b[i];
    a[i] = own * weight + partner * (1.0F - weight);
    b[i] = partner * weight + own * (1.0F - weight);
  }
}

}  // namespace

MixPlan draw_mix(const AugmentConfig& config, int64_t height, int64_t width, Rng& rng) {
  MixPlan plan;
  if (!config.mixes() || !rng.chance(config.mix_probability)) {
    return plan;
  }
  const bool both = config.mixup > 0.0 && config.cutmix > 0.0;
  const bool cutmix = both ? rng.chance(config.switch_probability) : config.cutmix > 0.0;
  const double alpha = cutmix ? config.cutmix : config.mixup;
  const double lambda = rng.beta(alpha, alpha);
  if (!cutmix) {
    plan.kind = MixPlan::Kind::mixup;
    plan.weight = static_cast<float>(lambda);
    return plan;
  }
  plan.kind = MixPlan::Kind::cutmix;
  std::tie(plan.top, plan.bottom) = cut(height, lambda, rng);
  std::tie(plan.left, plan.right) = cut(width, lambda, rng);
  const int64_t area = (plan.bottom - plan.top) * (plan.right - plan.left);
  plan.weight =
      static_cast<float>(1.0 - static_cast<double>(area) / static_cast<double>(height * width));
  return plan;
}

void mix_pair(const MixPlan& plan, int64_t height, int64_t width, float* own, float* partner) {
  if (plan.kind == MixPlan::Kind::mixup) {
    blend(plan.weight, height * width * 3, own, partner);
  }
  // No rows where nothing is cut.
  for (int64_t y = plan.top; y < plan.bottom; ++y) {
    float* begin = own + (y * width + plan.left) * 3;
    std::swap_ranges(begin, begin + (plan.right - plan.left) * 3,
                     partner + (y * width + plan.left) * 3);
  }
}

void mix_labels(const MixPlan& plan,
                std::span<const int64_t> labels,
                std::span<int64_t> other_labels,
                std::span<float> weights) {
  std::reverse_copy(labels.begin(), labels.end(), other_labels.begin());
  std::fill(weights.begin(), weights.end(), plan.weight);
}

}  // namespace nala::data
