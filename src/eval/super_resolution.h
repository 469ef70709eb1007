// How good enlarged pictures are, by the two protocols of the field, and the bicubic row beside.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/super_resolution_config.h"

namespace nala::eval {

/// PSNR in decibels (infinity for equal pictures) and SSIM, on luma and on the three colours; on
/// one-channel pictures both are of that channel.
struct PictureScores {
  double psnr_y = 0;
  double ssim_y = 0;
  double psnr_rgb = 0;
  double ssim_rgb = 0;
};

struct ComparedAs {
  data::SuperResolutionProtocol protocol = data::SuperResolutionProtocol::A;
  int64_t scale = 2;  ///< also the pixels left out along every border
};

/// result: (3, H, W) or truth's shape, not rounded; truth: (1 or 3, H, W), whole numbers; float64,
/// values in 0 ... 255. The result is limited to that range and rounded half up, in protocol C its
/// luma and the truth's as well. Where the truth has one channel, the result's channels are
/// averaged.
PictureScores compare_pictures(const at::Tensor& result,
                               const at::Tensor& truth,
                               const ComparedAs& how);

/// The scores of MATLAB's bicubic enlargement: of the low-resolution picture `low` (1 or 3, H / s,
/// W / s) in protocol A; in C of the truth reduced and enlarged in floating point, its luma rounded
/// before and after (`low` has no part).
PictureScores bicubic_scores(const at::Tensor& low, const at::Tensor& truth, const ComparedAs& how);

}  // namespace nala::eval
