// The `segmentation` part of the configuration: what segmentation optimises.
#pragma once

#include <cstdint>
#include <vector>

#include "core/config.h"

namespace nala::train {

/// Defaults are mmsegmentation's cross-entropy: a sum over the pixels that have a class, divided by
/// all pixels.
struct SegmentConfig {
  double auxiliary_weight = 0.4;
  bool average_valid = false;
  std::vector<double> class_weights;
  int64_t ohem_kept = 0;
  double ohem_threshold = 0.7;
  double dice_weight = 0;

  template <class V>
  static void fields(SegmentConfig& c, V&& v) {
    v("auxiliary_weight", c.auxiliary_weight, "weight of the auxiliary head's loss",
      config::at_least(0));
    v("average_valid", c.average_valid,
      "divide the cross-entropy by the pixels that have a class; false: by all");
    v("class_weights", c.class_weights, "factor of the cross-entropy of every class; []: all 1",
      config::at_least(0));
    v("ohem_kept", c.ohem_kept,
      "online hard example mining: only pixels whose class has a probability below ohem_threshold "
      "count, and at least this many per picture; 0: off",
      config::at_least(0));
    v("ohem_threshold", c.ohem_threshold, "the probability below which a pixel is hard",
      config::between(0, 1));
    v("dice_weight", c.dice_weight, "weight of the Dice loss, added to the cross-entropy; 0: off",
      config::at_least(0));
  }
};

}  // namespace nala::train
