// Training and test transforms of pictures with label maps, as mmsegmentation's for ADE20K.
#pragma once

#include "core/rng.h"
#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// The size of a width x height picture resized, proportions kept, so that its longer side is at
/// most `long_side` and its shorter at most `short_side` (mmcv's imrescale: int(x * s + 0.5), at
/// least 1).
struct ScaledSize {
  int64_t width = 0, height = 0;
};
ScaledSize scaled_size(int64_t width, int64_t height, int64_t long_side, int64_t short_side);

/// A random resize, crop, mirror and distortion of a picture with its labels (0 ... 254, or
/// kIgnoredLabel): at most data.image_size, smaller where the resized picture is.
///
/// A crop is drawn again, up to ten times, while less than two classes are in it or one has at
/// least `category_cap` of its pixels that have a class.
PicturePair augment_segmentation(const PicturePair& pair, const DataConfig& config, Rng& rng);

/// The picture as the network sees it in evaluation at one of `eval.ratios`: resized, stretched up
/// to multiples of `eval.multiple`, mirrored if asked for.
Image test_view(const Image& image, const SegmentationData& config, double ratio, bool flipped);

}  // namespace nala::data
