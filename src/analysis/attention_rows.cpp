#include "analysis/attention_rows.h"

#include <torch/torch.h>

#include <cmath>

namespace nala::analysis {
namespace {

constexpr double kEps = 1e-6;  // the operator's default

// (N, d) as the operator takes it, (1, 1, N, d), and back.
at::Tensor batched(const at::Tensor& x) {
  return x.view({1, 1, x.size(0), x.size(1)});
}

at::Tensor joined(const ops::Halves& halves, const ops::Rotation& rotation) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& half : halves) {
    parts.push_back(ops::rotate(half, rotation.cos, rotation.sin));
  }
  return at::cat(parts, -1);  // (N, f)
}

}  // namespace

std::string Kernel::name() const {
  if (softmax) {
    return "softmax";
  }
  std::string text(ops::kFeatureMapNames[static_cast<size_t>(map)]);
  const bool can_be = map == ops::FeatureMap::relu_split || map == ops::FeatureMap::cosine;
  return can_be && !norm_aware ? text + " (not norm-aware)" : text;
}

std::vector<Kernel> studied_kernels() {
  using ops::FeatureMap;
  return {{.softmax = true},
          {.map = FeatureMap::relu_split},
          {.map = FeatureMap::cosine},
          {.map = FeatureMap::relu_split, .norm_aware = false},
          {.map = FeatureMap::cosine, .norm_aware = false},
          {.map = FeatureMap::relu},
          {.map = FeatureMap::focused},
          {.map = FeatureMap::elu}};
}

ops::Features features_of(const Kernel& kernel, const at::Tensor& q, const at::Tensor& k) {
  TORCH_CHECK(!kernel.softmax, "features_of: softmax has no features");
  ops::Features features = ops::reference_features({.q = batched(q),
                                                    .k = batched(k),
                                                    .map = kernel.map,
                                                    .norm_aware = kernel.norm_aware,
                                                    .lambd = kernel.lambd,
                                                    .tau = kernel.tau,
                                                    .alpha = kernel.alpha});
  for (ops::Halves* halves : {&features.q, &features.k}) {
    for (at::Tensor& half : *halves) {
      half = half.squeeze(0).squeeze(0);  // (N, d)
    }
  }
  return features;
}

AttentionRows::AttentionRows(const Kernel& kernel,
                             const at::Tensor& q,
                             const at::Tensor& k,
                             const ops::Rotation& rotation)
    : softmax_(kernel.softmax) {
  const at::NoGradGuard no_grad;
  if (softmax_) {
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(1)));
    query_ = ops::rotate(q, rotation.cos, rotation.sin) * scale;
    key_ = ops::rotate(k, rotation.cos, rotation.sin);
    return;
  }
  const ops::Features features = features_of(kernel, q, k);
  query_ = joined(features.q, rotation);
  key_ = joined(features.k, rotation);
  const at::Tensor mean = joined(features.k, {}).mean(0, true);  // (1, f)
  normaliser_ = at::matmul(joined(features.q, {}), mean.t()).add_(kEps).mul_(k.size(0));
}

at::Tensor AttentionRows::operator()(const at::Tensor& queries) const {
  const at::NoGradGuard no_grad;
  const at::Tensor products = at::matmul(query_.index_select(0, queries), key_.t());  // (R, N)
  return softmax_ ? products.softmax(-1) : products / normaliser_.index_select(0, queries);
}

}  // namespace nala::analysis
