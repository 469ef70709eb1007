// Pictures to label maps.
#pragma once

#include "data/image.h"
#include "predict/loading.h"

namespace nala::predict {

/// The class of every pixel: one channel, of the picture's size, seen as data.segmentation.eval of
/// the checkpoint says. Gradients off. Thread-safe.
data::Image label_map(const Network& network, const data::Image& image);

}  // namespace nala::predict
