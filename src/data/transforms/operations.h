// The operations that augmentation policies are made of.
#pragma once

#include "data/config.h"
#include "data/image.h"
#include "data/transforms/affine.h"

namespace nala::data {

/// One operation, with the unit of its argument.
enum class Operation {
  auto_contrast,  ///< none
  equalize,       ///< none
  invert,         ///< none
  rotate,         ///< degrees counter-clockwise
  posterize,      ///< bits kept, 0 ... 8
  solarize,       ///< threshold, 0 ... 256
  solarize_add,   ///< value added below 128
  color,          ///< factor, 1: unchanged
  contrast,       ///< factor, 1: unchanged
  brightness,     ///< factor, 1: unchanged
  sharpness,      ///< factor, 1: unchanged
  shear_x,        ///< source columns per row
  shear_y,        ///< source rows per column
  translate_x,    ///< share of the width
  translate_y,    ///< share of the height
  gaussian_blur,  ///< standard deviation in pixels
};

/// How the geometric operations sample.
struct Sampling {
  Interpolation interpolation = Interpolation::bicubic;
  Colour fill{};  ///< outside the picture
};

/// Whether the operation uses its Sampling.
bool is_geometric(Operation operation);

/// The picture after the operation, bit-equal to timm's on Pillow 13 (timm/data/auto_augment.py).
/// Three channels.
Image apply(Operation operation, double argument, Image image, const Sampling& sampling);

}  // namespace nala::data
