// What the CPU kernels of linear attention take and give: plain pointers, sizes and strides. The
// same functions exist once per instruction set; symbols as in docs of ops/reference.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/feature_maps.h"

namespace nala::ops::cpu {

enum class Dtype { float32, bfloat16, float16 };

/// The tokens of one (batch, head): d values each. Strides are in elements; `inner` is that of the
/// channels. Gradients and results are written through the same type.
struct Rows {
  void* data = nullptr;
  int64_t stride = 0;
  int64_t inner = 1;
  Dtype dtype = Dtype::float32;
};

/// (N, d) float32 each with dense channels; null for no rotation.
struct Tables {
  const float* cos = nullptr;
  const float* sin = nullptr;
  int64_t cos_stride = 0;
  int64_t sin_stride = 0;
};

/// What all tokens share.
struct Setup {
  int d = 0;  ///< multiple of 4, at most kMaxChannels
  FeatureMap map = FeatureMap::relu_split;
  bool norm_aware = true;
  float lambd = 3;
  float tau = 0.5F;
  float alpha = 20;
  float eps = 1e-6F;
};
inline constexpr int kMaxChannels = 128;

/// One (batch, head); each function reads and writes the members it names.
struct Sequence {
  Rows q, k, v, y, dy, dq, dk, dv;
  Tables tables;
  float* normaliser = nullptr;  ///< z, one per token: query_output() writes, query_gradient() reads
};
struct Range {
  int64_t begin, end;  ///< tokens
};

/// Sums of one sequence or a part of it, in float32; f is the width of a feature (2d or d).
struct State {
  float* product = nullptr;  ///< (f, d): S = sum R(phi_k)^T v / N, or the gradient in it
  float* mean = nullptr;     ///< (f): mean of phi_k, or the gradient in it
};

/// What query_gradient() reads, and what it writes.
struct QueryStates {
  State state, gradient;
};

/// Functions of one instruction set. Each works on the range's tokens, writes only what its line
/// says and its scratch (scratch() floats, aligned to 64 bytes, one per thread), and never throws.
/// Results do not depend on what the scratch held.
struct Kernels {
  size_t (*scratch)(const Setup&);
  /// sums: of R(phi_k)^T v and of phi_k, not yet divided by N.
  void (*key_state)(const Setup&, const Sequence&, Range, const State& sums, float* scratch);
  /// y and the normaliser.
  void (*query_output)(const Setup&, const Sequence&, Range, const State& state, float* scratch);
  /// dq; gradient: the range's part of the loss' gradient in `state`.
  void (*query_gradient)(const Setup&, const Sequence&, Range, const QueryStates&, float* scratch);
  /// dk and dv, from the gradient in `state` divided by N.
  void (*key_gradient)(const Setup&, const Sequence&, Range, const State& gradient, float* scratch);
};

extern const Kernels kAvx512Kernels;  ///< needs AVX-512 F, BW, DQ, VL
extern const Kernels kAvx2Kernels;    ///< needs AVX2, FMA, F16C

}  // namespace nala::ops::cpu
