// Structural similarity.
#pragma once

#include <ATen/core/Tensor.h>

namespace nala::eval {

/// Mean SSIM of two pictures (C, H, W) float64, values in 0 ... 255: 11 x 11 Gaussian window of
/// standard deviation 1.5 where it lies inside the picture, K 0.01 and 0.03, averaged over the
/// channels. Sides below 11: not a number. Source: Wang et al. 2004 (their ssim_index.m).
double ssim(const at::Tensor& a, const at::Tensor& b);

}  // namespace nala::eval
