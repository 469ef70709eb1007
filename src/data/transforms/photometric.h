// Photometric distortion of pictures for segmentation.
#pragma once

#include <cstdint>
#include <optional>

#include "core/rng.h"
#include "data/image.h"

namespace nala::data {

/// What one picture is distorted by; each part only where given.
struct Photometric {
  std::optional<double> brightness;  ///< added
  std::optional<double> contrast;    ///< factor
  bool contrast_first = false;       ///< before saturation and hue, not after
  std::optional<double> saturation;  ///< factor of S
  std::optional<int64_t> hue;        ///< added to H, whose full circle is 180
};

/// mmsegmentation's PhotoMetricDistortion: brightness in +-32, contrast and saturation in 0.5 ...
/// 1.5, hue in -18 ... 17, each with probability one half.
Photometric draw_photometric(Rng& rng);

/// Applies it to an RGB picture. Every part works on 8-bit values in float32 and cuts off the
/// fraction; saturation and hue each go to OpenCV's 8-bit HSV and back.
void apply_photometric(const Photometric& change, Image& image);

}  // namespace nala::data
