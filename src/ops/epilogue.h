// What follows either attention: LayerNorm(y + lepe) * SiLU(gate) in one pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/export.h"

namespace nala::ops {

/// One call of the operator. Shapes: y, lepe, gate (B, N, C) of any floating dtypes and strides;
/// lepe and gate may be undefined, which leaves their part out; weight, bias (C).
struct Epilogue {
  at::Tensor y, lepe, gate, weight, bias;
  double eps = 1e-5;
};

/// LayerNorm over C of y + lepe, affine, times SiLU(gate); with gradients for all five (double
/// backward is refused with a message).
///
/// Arithmetic in float32 whatever the dtypes (float64 where y is float64): y + lepe is never
/// rounded to half precision. Returns (B, N, C), contiguous, of y's dtype. Throws c10::Error naming
/// the argument. Thread-safe. Source: the released code, between attention and output projection.
NALA_OPS_API at::Tensor attention_epilogue(const Epilogue& epilogue);

}  // namespace nala::ops
