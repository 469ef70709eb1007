// The table of implementations of the linear attention operator: one row per implementation.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string_view>
#include <vector>

#include "ops/export.h"
#include "ops/feature_maps.h"

namespace nala::ops {

/// One call of the operator, checked. Shapes: q, k, v (B, h, N, d) of one dtype and any strides;
/// cos, sin (N, d), or undefined for no rotation.
struct Problem {
  at::Tensor q, k, v, cos, sin;
  FeatureMap map = FeatureMap::relu_split;
  bool norm_aware = true;
  double lambd = 3;
  double tau = 0.5;
  double alpha = 20;
  double eps = 1e-6;
};

/// The result, and what the implementation's backward wants to keep of the forward.
struct Forward {
  at::Tensor y;  ///< (B, h, N, d), memory order (B, N, h, d), dtype of q
  /// Nothing, or exactly three contiguous tensors of the dtype computed in: the state (B, h, f, d),
  /// the mean of phi_k (B, h, f) and the normaliser (B, h, N), where f is the width of a feature
  /// (2d for relu_split and cosine, else d). Their shapes are part of the operator that PyTorch
  /// traces; what exactly they hold is between an implementation's own forward and backward.
  std::vector<at::Tensor> saved;
};

/// Gradients with the shape and dtype of q, k, v; memory order (B, N, h, d), else they are copied.
struct Gradients {
  at::Tensor dq, dk, dv;
};

struct Implementation {
  std::string_view name;
  /// "" when it can run the problem, else the reason: shown by `doctor` and in errors.
  std::string_view (*refuses)(const Problem&);
  Forward (*forward)(const Problem&);
  Gradients (*backward)(const Problem&, const Forward&, const at::Tensor& dy);
};

/// Best first; the last row is the reference, which never refuses. To add an implementation, add a
/// row.
NALA_OPS_API std::span<const Implementation> implementations();

/// The named implementation, or for `auto` the first that does not refuse. Throws c10::Error naming
/// the known names, or why the named one refuses.
NALA_OPS_API const Implementation& choose_implementation(std::string_view name,
                                                         const Problem& problem);

}  // namespace nala::ops
