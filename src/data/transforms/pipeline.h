// The transforms of a configuration, one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/rng.h"
#include "data/config.h"
#include "data/image.h"
#include "data/transforms/normalise.h"

namespace nala::data {

/// Random crop to data.image_size, mirroring (protocols.md b.1, train order), random affine map.
Image augment(const Image& image, const DataConfig& config, Rng& rng);

/// Short side to the evaluation size, long side in proportion, then the centre (protocols.md b.1,
/// Eval); or stretched (`data.eval.crop: none`). For height != width the picture is resized to
/// cover the evaluation size, sides rounded half to even, as timm's ResizeKeepRatio.
Image resize_for_eval(const Image& image, const DataConfig& config);

/// The picture as the model sees it in evaluation: (1, 3, H, W) float32, channels-last.
at::Tensor prepare_for_eval(const Image& image, const DataConfig& config);

}  // namespace nala::data
