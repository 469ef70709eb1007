// From 8-bit pixels to what the model sees.
#pragma once

#include <array>
#include <vector>

#include "data/image.h"

namespace nala::data {

/// (x / 255 - mean) / std per channel in float32, bit-equal to torchvision's ToTensor and
/// Normalize.
class Normaliser {
 public:
  /// Three means and three standard deviations.
  Normaliser(const std::vector<double>& mean, const std::vector<double>& std);

  /// Writes height * width * 3 values in the picture's own order: one picture of channels-last
  /// memory.
  void operator()(const Image& image, float* out) const;

 private:
  std::array<std::array<float, 3>, 256> table_{};
};

}  // namespace nala::data
