// Two-dimensional rotary position embedding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/export.h"

namespace nala::ops {

/// cos and sin of every token and channel, (N, d) float32 each.
struct Rotation {
  at::Tensor cos, sin;
};

/// The frequencies of a head of d channels, (d/2) float32: 10000^(-j/(d/4 - 1)) for j = 0 ... d/4 -
/// 1, each twice; for d = 4 the single frequency is 1. d: a multiple of 4.
NALA_OPS_API at::Tensor rope_angle(int64_t d);

/// Tables for height x width tokens in row-major order: the token at row r, column c rotates its
/// first d/2 channels by r * angle, the last d/2 by c * angle. angle: (d/2), as rope_angle() gives
/// it or a checkpoint holds it.
NALA_OPS_API Rotation rope_tables(const at::Tensor& angle, int64_t height, int64_t width);

/// x cos + rot(x) sin, where rot takes neighbouring channels (x0, x1) to (-x1, x0). x: (..., N, d);
/// undefined tables return x.
NALA_OPS_API at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace nala::ops
