#include "ops/rope.h"

#include <ATen/ATen.h>

namespace nala::ops {

at::Tensor rope_angle(int64_t d) {
  TORCH_CHECK(d >= 4 && d % 4 == 0, "rope_angle: d is ", d, ", expected a multiple of 4");
  const at::Tensor exponent = at::linspace(0, 1, d / 4, at::kFloat);  // (d/4)
  return at::pow(10000, exponent).reciprocal().repeat_interleave(2);  // (d/2)
}

Rotation rope_tables(const at::Tensor& angle, int64_t height, int64_t width) {
  TORCH_CHECK(angle.dim() == 1 && angle.size(0) % 2 == 0, "rope_tables: angle has shape ",
              angle.sizes(), ", expected (d/2) with d a multiple of 4");
  TORCH_CHECK(height >= 1 && width >= 1, "rope_tables: ", height, " x ", width, " tokens");
  const int64_t half = angle.size(0);
  const auto options = angle.options();
  const at::Tensor rows = at::arange(height, options).outer(angle);    // (H, d/2)
  const at::Tensor columns = at::arange(width, options).outer(angle);  // (W, d/2)
  // Sine and cosine of the H + W distinct positions only; tokens repeat them.
  const auto table = [&](const at::Tensor& by_row, const at::Tensor& by_column) {
    return at::cat({by_row.unsqueeze(1).expand({height, width, half}),
                    by_column.unsqueeze(0).expand({height, width, half})},
                   2)
        .view({height * width, 2 * half});  // (N, d)
  };
  return {table(rows.cos(), columns.cos()), table(rows.sin(), columns.sin())};
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  if (!cos.defined()) {
    return x;
  }
  const auto pairs = [](const at::Tensor& y) { return y.unflatten(-1, {-1, 2}); };
  // rot(x) is the swapped pairs with the first of each negated; the sign goes to the small table.
  const at::Tensor by_pair = pairs(sin);  // (N, d/2, 2)
  const at::Tensor signed_sin =
      at::stack({by_pair.select(-1, 0).neg(), by_pair.select(-1, 1)}, -1).flatten(-2);  // (N, d)
  const at::Tensor swapped = pairs(x).flip(-1).flatten(-2);  // (..., N, d)
  return at::addcmul(x * cos, swapped, signed_sin);
}

}  // namespace nala::ops
