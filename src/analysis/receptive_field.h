// Which pixels a network's last map depends on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "models/model.h"

namespace nala::analysis {

/// The effective receptive field of the centre of the last block's map.
struct ReceptiveField {
  at::Tensor gradient;  ///< (H, W) float32: |d centre / d pixel|, summed over colours; sums to 1
  int64_t map_height = 0, map_width = 0;
  /// Smallest share of the picture's pixels that holds half, and 95 %, of the gradient.
  double half_area = 0;
  double most_area = 0;
};

/// The gradient of the sum over channels of the map at its centre with respect to the picture
/// (1, C, H, W), in evaluation mode. Source: Luo et al. 2016 (arXiv 1701.04128).
///
/// Throws Error(numeric) where the gradient is 0 or not finite.
ReceptiveField receptive_field(models::Model& model, const at::Tensor& picture);

}  // namespace nala::analysis
