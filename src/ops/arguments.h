// Checks of the arguments that both attention operators share.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "ops/feature_maps.h"

namespace nala::ops {

struct AttentionArguments {
  const at::Tensor& q;
  const at::Tensor& k;
  const at::Tensor& v;
  const at::Tensor& cos;
  const at::Tensor& sin;
};

/// Throws c10::Error naming `op` and the argument unless q, k, v are (B, h, N, d) of one floating
/// dtype and device with N >= 1 and d a multiple of 4, and cos, sin are both undefined or both (N,
/// d). Sizes may be symbolic.
void check_arguments(const char* op, const AttentionArguments& arguments);

/// Throws c10::Error unless dy has the shape and the device of q.
void check_gradient(const char* op, const at::Tensor& dy, const at::Tensor& q);

/// The map of a name; throws c10::Error listing the known names.
FeatureMap feature_map_or_throw(std::string_view name);

/// Uninitialised (B, h, N, d) with memory order (B, N, h, d), of the shape, dtype and device of
/// `like`; symbolic sizes too.
at::Tensor empty_tokens_first(const at::Tensor& like);

/// Copies y (B, h, N, d) into memory order (B, N, h, d) unless it is in it.
at::Tensor tokens_first(const at::Tensor& y);

/// The dtype that a computation on `dtype` runs in: float32 for half precision.
at::ScalarType compute_type(at::ScalarType dtype);

}  // namespace nala::ops
