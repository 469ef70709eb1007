// Choosing windows, padding, mirroring.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "data/image.h"

namespace nala::data {

/// Bounds of the random window: share of the area, and width / height.
struct WindowBounds {
  double scale_low = 0.08, scale_high = 1.0;
  double ratio_low = 0.75, ratio_high = 4.0 / 3.0;
};

/// A random window of a width x height picture as timm's RandomResizedCropAndInterpolation draws it
/// (timm/data/transforms.py): ten tries, then the largest centred window of an allowed ratio.
Window random_resized_window(int64_t width, int64_t height, const WindowBounds& bounds, Rng& rng);

/// The centre of a picture, offsets rounded half to even; the window must fit.
Window centre_window(int64_t width, int64_t height, int64_t crop_width, int64_t crop_height);

/// The window's pixels.
Image crop(const Image& image, const Window& window);

/// A uniform window of the picture's own size out of the picture with `padding` zeros around it.
Image random_padded_crop(const Image& image, int64_t padding, Rng& rng);

/// Mirrors left and right in place.
void flip_horizontal(Image& image);

}  // namespace nala::data
