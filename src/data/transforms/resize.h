// Resizing exactly as Pillow does.
#pragma once

#include <cstdint>

#include "data/config.h"
#include "data/image.h"

namespace nala::data {

/// Crops `window` (inside the picture, not empty) and resizes it to width x height >= 1, bit-equal
/// to Pillow's `image.crop(window).resize((width, height), BICUBIC | BILINEAR)`: antialiased,
/// bicubic a = -0.5, 22-bit fixed-point weights, horizontal pass first, 8 bits between
/// (its Resample.c). Three channels.
Image resize(const Image& image,
             const Window& window,
             int64_t width,
             int64_t height,
             Interpolation interpolation);

/// The same of the whole picture.
Image resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation);

/// A resize of which only a part is wanted.
struct PartialResize {
  int64_t in_width = 0, in_height = 0;    ///< the whole picture
  int64_t out_width = 0, out_height = 0;  ///< the whole result, >= 1
  Window out;                             ///< the part of the result, not empty
};

/// The pixels of the picture that the part depends on.
Window needed_for(const PartialResize& resize, Interpolation interpolation);

/// The part `resize.out` of the resized picture, of which `held` (at least needed_for()) is given
/// as `image`; computes nothing else, so that a very long picture costs no more memory than a
/// square one.
Image resize_part(const Image& image,
                  const Window& held,
                  const PartialResize& resize,
                  Interpolation interpolation);

}  // namespace nala::data
