// Peak signal-to-noise ratio, and the luma that super-resolution measures it on.
#pragma once

#include <ATen/core/Tensor.h>

namespace nala::eval {

/// Y of BT.601 YCbCr as MATLAB's rgb2ycbcr: 16 + (65.481 R + 128.553 G + 24.966 B) / 255 for values
/// in 0 ... 255. pixels: (3, H, W) float64 R G B; gives (1, H, W), unrounded. One channel is its
/// own Y: it is returned as it is.
at::Tensor luma(const at::Tensor& pixels);

/// 10 log10(255^2 / mean squared difference) of two float64 tensors of one shape, values in
/// 0 ... 255; infinity where they are equal.
double psnr(const at::Tensor& a, const at::Tensor& b);

}  // namespace nala::eval
