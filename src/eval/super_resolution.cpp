#include "eval/super_resolution.h"

#include <torch/torch.h>

#include "data/transforms/matlab_resize.h"
#include "eval/metrics/psnr.h"
#include "eval/metrics/ssim.h"

namespace nala::eval {
namespace {

using data::SuperResolutionProtocol;

at::Tensor rounded(const at::Tensor& values) {
  return (values + 0.5).floor().clamp(0, 255);
}

at::Tensor without_border(const at::Tensor& picture, int64_t border) {
  return picture.slice(1, border, picture.size(1) - border)
      .slice(2, border, picture.size(2) - border);
}

// (C, H, W) float64 resized by MATLAB's imresize of newer releases, not rounded.
at::Tensor resized(const at::Tensor& picture, const data::MatlabResize& resize) {
  const at::Tensor pixels = picture.permute({1, 2, 0}).contiguous();  // (H, W, C)
  const auto* values = pixels.const_data_ptr<double>();
  data::RealImage image = data::matlab_resize({.width = picture.size(2),
                                               .height = picture.size(1),
                                               .channels = picture.size(0),
                                               .values = {values, values + pixels.numel()}},
                                              resize);
  return at::from_blob(image.values.data(), {image.height, image.width, image.channels},
                       at::kDouble)
      .permute({2, 0, 1})
      .clone();
}

at::Tensor reduced_and_enlarged(const at::Tensor& picture, int64_t scale) {
  return resized(resized(picture, {.divide = scale}), {.multiply = scale});
}

}  // namespace

PictureScores compare_pictures(const at::Tensor& result,
                               const at::Tensor& truth,
                               const ComparedAs& how) {
  const bool grey = truth.size(0) == 1;
  const at::Tensor colours = without_border(
      rounded(grey && result.size(0) == 3 ? result.mean(0, /*keepdim=*/true) : result), how.scale);
  const at::Tensor wanted = without_border(truth, how.scale);
  const bool whole_luma = how.protocol == SuperResolutionProtocol::C;
  const at::Tensor y = whole_luma ? rounded(luma(colours)) : luma(colours);
  const at::Tensor wanted_y = whole_luma ? rounded(luma(wanted)) : luma(wanted);
  return {.psnr_y = psnr(y, wanted_y),
          .ssim_y = ssim(y, wanted_y),
          .psnr_rgb = psnr(colours, wanted),
          .ssim_rgb = ssim(colours, wanted)};
}

PictureScores bicubic_scores(const at::Tensor& low,
                             const at::Tensor& truth,
                             const ComparedAs& how) {
  if (how.protocol == SuperResolutionProtocol::A) {
    return compare_pictures(resized(low, {.multiply = how.scale}), truth, how);
  }
  PictureScores scores = compare_pictures(reduced_and_enlarged(truth, how.scale), truth, how);
  // These papers reduce the luma itself.
  const at::Tensor whole = rounded(luma(truth));  // (1, H, W)
  const at::Tensor y = without_border(rounded(reduced_and_enlarged(whole, how.scale)), how.scale);
  const at::Tensor wanted_y = without_border(whole, how.scale);
  scores.psnr_y = psnr(y, wanted_y);
  scores.ssim_y = ssim(y, wanted_y);
  return scores;
}

}  // namespace nala::eval
