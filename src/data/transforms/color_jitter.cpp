#include "data/transforms/color_jitter.h"

#include <algorithm>
#include <array>

#include "data/transforms/enhance.h"

namespace nala::data {
namespace {

constexpr std::array<void (*)(Image&, double), 4> kAdjustments{adjust_brightness, adjust_contrast,
                                                               adjust_saturation, adjust_hue};
constexpr size_t kHue = 3;

}  // namespace

void jitter_colors(Image& image, const std::vector<double>& strengths, Rng& rng) {
  if (strengths.empty()) {
    return;
  }
  std::array<double, 4> strength{};
  if (strengths.size() == 1) {
    std::fill_n(strength.begin(), kHue, strengths[0]);
  } else {
    std::copy(strengths.begin(), strengths.end(), strength.begin());
  }
  for (const int64_t number : permutation(std::ssize(kAdjustments), rng)) {
    const auto i = static_cast<size_t>(number);
    const double bound = strength[i];
    if (bound > 0) {
      kAdjustments[i](image, i == kHue ? rng.uniform(-bound, bound)
                                       : rng.uniform(std::max(0.0, 1.0 - bound), 1.0 + bound));
    }
  }
}

}  // namespace nala::data
