#include "data/augment_config.h"

#include <algorithm>
#include <array>
#include <functional>

#include "core/error.h"
#include "data/transforms/policy.h"

namespace nala::data {
namespace {

void check_pair(const config::Where& fail, std::string_view key, const std::vector<double>& pair) {
  if (pair.size() != 2 || !(pair[0] > 0.0) || pair[0] > pair[1]) {
    fail(key, "expected [smallest, largest], both above 0");
  }
}

}  // namespace

std::span<const std::string_view> names_of(Interpolation) {
  static constexpr std::array<std::string_view, 2> kNames{"bicubic", "bilinear"};
  return kNames;
}

std::span<const std::string_view> names_of(TrainCrop) {
  static constexpr std::array<std::string_view, 3> kNames{"none", "random_resized", "padded"};
  return kNames;
}

std::span<const std::string_view> names_of(TrainInterpolation) {
  static constexpr std::array<std::string_view, 2> kNames{"same", "random"};
  return kNames;
}

std::span<const std::string_view> names_of(EraseFill) {
  static constexpr std::array<std::string_view, 3> kNames{"pixel", "rand", "const"};
  return kNames;
}

void AffineConfig::check(const AffineConfig& c, const config::Where& fail) {
  check_pair(fail, "scale", c.scale);
  if (!c.fill.empty() && c.fill.size() != 3) {
    fail("fill", "expected three numbers, one per colour, or []");
  }
}

void ErasingConfig::check(const ErasingConfig& c, const config::Where& fail) {
  check_pair(fail, "area", c.area);
}

std::optional<int64_t> AugmentConfig::size_in(int64_t epoch) const {
  std::optional<int64_t> size;
  for (size_t i = 0; i < sizes.size() && size_epochs[i] <= epoch; ++i) {
    size = sizes[i];
  }
  return size;
}

void AugmentConfig::check(const AugmentConfig& c, const config::Where& fail) {
  check_pair(fail, "scale", c.scale);
  check_pair(fail, "ratio", c.ratio);
  if (c.sizes.size() != c.size_epochs.size() ||
      std::adjacent_find(c.size_epochs.begin(), c.size_epochs.end(), std::greater_equal<>()) !=
          c.size_epochs.end() ||
      (!c.size_epochs.empty() && c.size_epochs.front() != 0)) {
    fail("size_epochs", "expected one epoch for each of augment.sizes, rising from 0");
  }
  const size_t jitters = c.color_jitter.size();
  if (jitters != 0 && jitters != 1 && jitters != 3 && jitters != 4) {
    fail("color_jitter", "expected one, three or four numbers, found " + std::to_string(jitters));
  }
  if (jitters == 4 && c.color_jitter[3] > 0.5) {
    fail("color_jitter", "the hue turns by at most 0.5");
  }
  if (!c.policy.empty()) {
    try {
      const AugmentPolicy policy(c.policy);
    } catch (const Error& error) {
      fail("policy", error.what());
    }
  }
}

}  // namespace nala::data
