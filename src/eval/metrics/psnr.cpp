#include "eval/metrics/psnr.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

namespace nala::eval {

at::Tensor luma(const at::Tensor& pixels) {
  if (pixels.size(0) == 1) {
    return pixels;
  }
  TORCH_CHECK(pixels.size(0) == 3 && pixels.scalar_type() == at::kDouble,
              "luma: expected (3, H, W) float64, got ", pixels.sizes());
  const auto channels = pixels.unbind(0);  // (H, W) each
  const at::Tensor sum = 65.481 * channels[0] + 128.553 * channels[1] + 24.966 * channels[2];
  return (16 + sum / 255).unsqueeze(0);  // (1, H, W)
}

double psnr(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "psnr: shapes ", a.sizes(), " and ", b.sizes(), " differ");
  const double error = (a - b).square().mean().item<double>();
  return error == 0 ? std::numeric_limits<double>::infinity()
                    : 10 * std::log10(255.0 * 255.0 / error);
}

}  // namespace nala::eval
