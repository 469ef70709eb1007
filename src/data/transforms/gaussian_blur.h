// Gaussian blur exactly as Pillow's: three box blurs of a fractional width in each direction.
#pragma once

#include "data/image.h"

namespace nala::data {

/// Bit-equal to Pillow 13's `image.filter(ImageFilter.GaussianBlur(radius))`, radius (the standard
/// deviation in pixels) at least 0; the border is continued. Extended box blur of Gwosdek,
/// Grewenig, Bruhn and Weickert (2011), 24-bit fixed point, 8 bits between the passes.
Image gaussian_blur(const Image& image, double radius);

}  // namespace nala::data
