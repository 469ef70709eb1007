// Brightness, contrast, saturation, sharpness and hue, exactly as Pillow's ImageEnhance (and
// torchvision's adjust_hue on Pillow pictures).
#pragma once

#include <cstdint>

#include "data/image.h"

namespace nala::data {

/// Each blends a degenerate picture with the picture, in place: degenerate + factor * (picture -
/// degenerate) in float32, clipped only for factors outside [0, 1], truncated. Factor 1 changes
/// nothing. Three channels; bit-equal to Pillow 13's ImageEnhance.

/// Degenerate: black.
void adjust_brightness(Image& image, double factor);
/// Degenerate: the mean luminance, rounded.
void adjust_contrast(Image& image, double factor);
/// Degenerate: the picture's luminance (what Pillow calls Color).
void adjust_saturation(Image& image, double factor);
/// Degenerate: the picture smoothed by (1 1 1; 1 5 1; 1 1 1) / 13, its border kept.
void adjust_sharpness(Image& image, double factor);

/// Turns the hue by `turn` in -0.5 ... 0.5 of the circle: to 8-bit HSV, hue + int(255 turn) modulo
/// 256, and back, in place.
void adjust_hue(Image& image, double turn);

/// Pillow's luminance: (19595 R + 38470 G + 7471 B + 32768) >> 16.
inline int luminance(const uint8_t* pixel) {
  return (19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 0x8000) >> 16;
}

}  // namespace nala::data
