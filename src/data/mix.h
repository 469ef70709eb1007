// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of fixed groups of consecutive positions.
#pragma once

#include <cstdint>
#include <span>

#include "core/rng.h"
#include "data/config.h"

namespace nala::data {

/// What happens to one group: sample i is mixed with sample n - 1 - i, the middle of an odd group
/// not at all.
struct MixPlan {
  enum class Kind { none, mixup, cutmix };
  Kind kind = Kind::none;
  float weight = 1.0F;  ///< of a sample's own picture and label; 1 - weight of its partner's
  /// CutMix: the window taken from the partner, rows [top, bottom), columns [left, right).
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  bool operator==(const MixPlan&) const = default;
};

/// Draws a plan as timm does (timm/data/mixup.py): with mix_probability, Mixup or CutMix with
/// lambda ~ Beta(alpha, alpha). CutMix cuts int(H sqrt(1 - lambda)) x int(W sqrt(1 - lambda))
/// around a uniform centre, clipped to the picture; its weight is then 1 - area / (H W).
MixPlan draw_mix(const AugmentConfig& config, int64_t height, int64_t width, Rng& rng);

/// Mixes two partners in place, `own` being the one of the lower position; memory (H, W, 3) float32
/// each.
void mix_pair(const MixPlan& plan, int64_t height, int64_t width, float* own, float* partner);

/// Fills the partner's labels and the weights of a group; all three hold `count` values.
void mix_labels(const MixPlan& plan,
                std::span<const int64_t> labels,
                std::span<int64_t> other_labels,
                std::span<float> weights);

}  // namespace nala::data
