#include "models/pola.h"

#include <torch/torch.h>

#include <utility>

#include "ops/linear_attention.h"

namespace nala::models {
namespace {

constexpr double kLargestPowerAboveOne = 4;  // PolaFormer's alpha

// The tables of features of width 2 d, whose halves rotate alike.
at::Tensor twice(const at::Tensor& table) {
  return table.defined() ? at::cat({table, table}, -1) : table;  // (N, 2 d)
}

}  // namespace

PolaImpl::PolaImpl(int64_t heads, int64_t head_dim, std::string implementation)
    : implementation_(std::move(implementation)),
      power_(register_parameter("power", torch::zeros({1, heads, 1, head_dim}))),
      scale_(register_parameter("scale", torch::zeros({1, 1, heads * head_dim}))) {}

at::Tensor PolaImpl::forward(const at::Tensor& q,
                             const at::Tensor& k,
                             const at::Tensor& v,
                             const ops::Rotation& rotation) {
  const int64_t width = q.size(-1);
  const at::Tensor divisor = at::softplus(scale_).view({1, q.size(1), 1, width});  // (1, h, 1, d)
  const at::Tensor power = 1 + kLargestPowerAboveOne * power_.sigmoid();
  const at::Tensor scaled_q = q / divisor;
  const at::Tensor scaled_k = k / divisor;
  const at::Tensor q_positive = scaled_q.relu().pow(power);
  const at::Tensor q_negative = scaled_q.neg().relu().pow(power);
  const at::Tensor phi_k =
      at::cat({scaled_k.relu().pow(power), scaled_k.neg().relu().pow(power)}, -1);  // (B,h,N,2d)
  const ops::Rotation tables{.cos = twice(rotation.cos), .sin = twice(rotation.sin)};
  // The features are there already: the operator's own map leaves what is not negative as it is.
  // Values have its width too, so theirs are filled up with zeros.
  const auto mixed = [&](const at::Tensor& first, const at::Tensor& second,
                         const at::Tensor& part) {
    const at::Tensor values = at::constant_pad_nd(part, {0, 2 * width - part.size(-1)});
    return ops::linear_attention(at::cat({first, second}, -1), phi_k, values, tables.cos,
                                 tables.sin,
                                 {.map = ops::FeatureMap::relu, .implementation = implementation_})
        .narrow(-1, 0, part.size(-1));  // (B, h, N, d/2)
  };
  const auto halves = v.chunk(2, -1);
  return at::cat(
      {mixed(q_positive, q_negative, halves[0]), mixed(q_negative, q_positive, halves[1])}, -1);
}

}  // namespace nala::models
