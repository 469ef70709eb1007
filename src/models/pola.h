// PolaFormer's polarity-aware linear attention, as a row of the feature maps.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <string>

#include "ops/rope.h"

namespace nala::models {

/// Linear attention that keeps the sign of products: with a+ = relu(a)^p and a- = relu(-a)^p, one
/// half of a head's values is mixed by same signs, the other by opposite ones,
///
///   same      phi_q = [q+ ; q-], phi_k = [k+ ; k-], the first d/2 channels of v
///   opposite  phi_q = [q- ; q+], phi_k = [k+ ; k-], the last d/2
///
/// each divided by its own normaliser. q and k are divided by softplus(scale) before. Learned:
/// `power` (1, h, 1, d), p = 1 + 4 sigmoid(power) per head and channel, and `scale` (1, 1, h d);
/// both start at 0. The mixing of the halves is learned outside: by the gate, which weights every
/// channel of either half by token, and by the output projection.
///
/// Source: PolaFormer (arXiv 2501.15061), section 4, and its released code (alpha = 4). The
/// rotation applies to each d-wide half of the features' numerator, as for the other maps.
class PolaImpl : public torch::nn::Module {
 public:
  /// implementation: of the linear attention operator.
  PolaImpl(int64_t heads, int64_t head_dim, std::string implementation);
  /// q, k, v: (B, h, N, d) floating; rotation: tables (N, d), undefined for none. Gives (B, h, N,
  /// d).
  at::Tensor forward(const at::Tensor& q,
                     const at::Tensor& k,
                     const at::Tensor& v,
                     const ops::Rotation& rotation);

 private:
  std::string implementation_;
  at::Tensor power_;  // (1, h, 1, d)
  at::Tensor scale_;  // (1, 1, h d)
};
TORCH_MODULE(Pola);

}  // namespace nala::models
