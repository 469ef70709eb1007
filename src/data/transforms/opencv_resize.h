// Resizing by OpenCV, as mmsegmentation's pipelines do it.
#pragma once

#include "data/image.h"

namespace nala::data {

/// cv2.resize with INTER_LINEAR: no smoothing before reducing. One or three channels. Uses no
/// threads of its own. Thread-safe.
Image resize_linear(const Image& image, int64_t width, int64_t height);

/// cv2.resize with INTER_NEAREST: pixel floor(x * old / new).
Image resize_nearest(const Image& image, int64_t width, int64_t height);

}  // namespace nala::data
