// The `super_resolution` part of the configuration: what is optimised, and how pictures are
// evaluated.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/config.h"

namespace nala::train {

enum class UpscaleLoss {
  l1,          ///< mean |difference|
  charbonnier  ///< mean sqrt(difference^2 + eps^2)
};
constexpr std::array<std::string_view, 2> kUpscaleLosses{"l1", "charbonnier"};
constexpr std::span<const std::string_view> names_of(UpscaleLoss) {
  return kUpscaleLosses;
}

struct UpscaleConfig {
  UpscaleLoss loss = UpscaleLoss::l1;
  double charbonnier_eps = 1e-3;
  bool self_ensemble = false;
  int64_t tile = 0;
  int64_t overlap = 16;

  template <class V>
  static void fields(UpscaleConfig& c, V&& v) {
    v("loss", c.loss, "l1, or charbonnier: the square root of difference^2 + charbonnier_eps^2");
    v("charbonnier_eps", c.charbonnier_eps, "of pixels in 0 ... 1", config::above(0));
    v("self_ensemble", c.self_ensemble,
      "evaluate the mean over eight orientations: better, eight times slower");
    v("tile", c.tile,
      "side of the tiles that pictures are enlarged in, in low-resolution pixels; 0: whole",
      config::between(0, 1 << 16));
    v("overlap", c.overlap, "low-resolution pixels that neighbouring tiles share at least",
      config::between(0, 1 << 15));
  }
  static void check(const UpscaleConfig& c, const config::Where& fail) {
    if (c.tile > 0 && c.overlap >= c.tile) {
      fail("overlap", "expected less than super_resolution.tile");
    }
  }
};

}  // namespace nala::train
