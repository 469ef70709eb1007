#include "eval/metrics/ssim.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace nala::eval {
namespace {

constexpr int64_t kWindow = 11;

// The window is a product of two such lines, of sum 1.
std::array<double, kWindow> gaussian() {
  std::array<double, kWindow> line{};
  double sum = 0;
  for (int64_t i = 0; i < kWindow; ++i) {
    const auto x = static_cast<double>(i - kWindow / 2);
    line[i] = std::exp(-x * x / (2 * 1.5 * 1.5));
    sum += line[i];
  }
  for (double& value : line) {
    value /= sum;
  }
  return line;
}

// Weighted means of every window. maps: (..., H, W); gives (..., H - 10, W - 10).
at::Tensor blurred(const at::Tensor& maps) {
  const std::array<double, kWindow> line = gaussian();
  at::Tensor sum = maps;
  for (const int64_t dim : {-2, -1}) {
    const at::Tensor in = sum;
    const int64_t length = in.size(dim) - kWindow + 1;
    sum = in.narrow(dim, 0, length) * line[0];
    for (int64_t i = 1; i < kWindow; ++i) {
      sum.add_(in.narrow(dim, i, length), line[i]);
    }
  }
  return sum;
}

}  // namespace

double ssim(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.dim() == 3 && a.sizes() == b.sizes(), "ssim: shapes ", a.sizes(), " and ",
              b.sizes(), ", expected the same (C, H, W)");
  if (std::min(a.size(1), a.size(2)) < kWindow) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double c1 = (0.01 * 255) * (0.01 * 255);
  const double c2 = (0.03 * 255) * (0.03 * 255);
  const at::Tensor maps = at::stack({a, b, a * a, b * b, a * b});  // (5, C, H, W)
  const auto means = blurred(maps).unbind(0);
  const at::Tensor both = means[0] * means[1];
  const at::Tensor squares = means[0].square() + means[1].square();
  const at::Tensor covariance = means[4] - both;
  const at::Tensor variances = means[2] + means[3] - squares;
  return (((2 * both + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2)))
      .mean()
      .item<double>();
}

}  // namespace nala::eval
