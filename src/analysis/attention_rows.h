// Rows of an attention matrix on demand, without the matrix.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ops/feature_maps.h"
#include "ops/reference.h"
#include "ops/rope.h"

namespace nala::analysis {

/// A way to weight keys for a query.
struct Kernel {
  bool softmax = false;  ///< exp(q.k / sqrt(d)); the rest counts for nothing then
  ops::FeatureMap map = ops::FeatureMap::relu_split;
  bool norm_aware = true;
  double lambd = 3;
  double tau = 0.5;
  double alpha = 20;

  /// `softmax` or the map's name, with ` (not norm-aware)` where that is so.
  [[nodiscard]] std::string name() const;
};

/// softmax; relu_split and cosine, norm-aware and not; relu, focused, elu; of the default
/// parameters.
std::vector<Kernel> studied_kernels();

/// Features of one head: (N, d) each, one per half of the map; see ops/reference.h. Not for
/// softmax. q: (n, d), k: (N, d), float32.
ops::Features features_of(const Kernel& kernel, const at::Tensor& q, const at::Tensor& k);

/// The rows of one head's attention, each computed when asked for, in O(N d).
class AttentionRows {
 public:
  /// q: (n, d), k: (N, d), float32 on the CPU. rotation: tables of as many tokens, for which n = N;
  /// undefined for none.
  AttentionRows(const Kernel& kernel,
                const at::Tensor& q,
                const at::Tensor& k,
                const ops::Rotation& rotation = {});

  /// The weights that the queries of these numbers, (R) int64, give to the N keys: (R, N) float32.
  /// With v (N, d) the operator's y is rows * v. Rows sum to 1 without a rotation; with one, linear
  /// attention's may be negative and sum to something else, since its normaliser is not rotated.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& queries) const;
  [[nodiscard]] int64_t queries() const { return query_.size(0); }
  [[nodiscard]] int64_t keys() const { return key_.size(0); }

 private:
  bool softmax_;
  at::Tensor query_;       // (n, f): what is multiplied, rotated
  at::Tensor key_;         // (N, f)
  at::Tensor normaliser_;  // (n, 1) of linear attention
};

}  // namespace nala::analysis
