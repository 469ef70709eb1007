// Resizing exactly as Pillow does.
#pragma once

#include <cstdint>

#include "data/config.h"
#include "data/image.h"

namespace nala::data {

/// A rectangle of pixels inside a picture.
struct Window {
  int64_t left = 0;
  int64_t top = 0;
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const Window&) const = default;
};

/// Crops `window` (inside the picture, not empty) and resizes it to width x height >= 1, bit-equal
/// to Pillow's `image.crop(window).resize((width, height), BICUBIC | BILINEAR)`: antialiased,
/// bicubic a = -0.5, 22-bit fixed-point weights, horizontal pass first, 8 bits between
/// (protocols.md b.1). Three channels.
Image resize(const Image& image,
             const Window& window,
             int64_t width,
             int64_t height,
             Interpolation interpolation);

/// The same of the whole picture.
Image resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation);

/// The part `out` of the whole picture resized to width x height; computes nothing else, so that a
/// very long picture costs no more memory than a square one.
Image resize_part(const Image& image,
                  int64_t width,
                  int64_t height,
                  const Window& out,
                  Interpolation interpolation);

}  // namespace nala::data
