// Affine maps of a picture, sampled exactly as Pillow does.
#pragma once

#include <array>
#include <cstdint>

#include "core/rng.h"
#include "data/config.h"
#include "data/image.h"

namespace nala::data {

/// Where an output pixel comes from: source x = m[0] x + m[1] y + m[2], source y = m[3] x + m[4] y
/// + m[5], at pixel centres (x + 1/2, y + 1/2).
using AffineMatrix = std::array<double, 6>;

/// A colour, red green blue.
using Colour = std::array<uint8_t, 3>;

/// The matrix of Pillow's Image.rotate: `degrees` counter-clockwise about the centre of a width x
/// height picture, entries rounded to 15 digits (as Image.rotate does).
AffineMatrix rotation_matrix(double degrees, int64_t width, int64_t height);

/// The picture mapped by the matrix, same size, bit-equal to Pillow's `image.transform(image.size,
/// AFFINE, matrix, BICUBIC | BILINEAR, fillcolor=fill)`: bicubic a = -1, values truncated, `fill`
/// where the source lies outside the picture (Pillow's Geometry.c). Three channels.
Image affine(const Image& image,
             const AffineMatrix& matrix,
             Interpolation interpolation,
             const Colour& fill);

/// A random map about the centre: rotation, scale, shear and translation uniform in the
/// configuration's ranges, with its probability; otherwise the picture itself.
Image random_affine(const Image& image, const DataConfig& config, Rng& rng);

/// data.mean as 8-bit values: what geometric augmentation fills with (as timm does).
Colour mean_colour(const DataConfig& config);

}  // namespace nala::data
