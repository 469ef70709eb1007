// LayerNorm(y + lepe) * SiLU(gate) on rows of raw memory: the vectorised kernels, free of LibTorch.
#pragma once

#include <cstdint>

namespace nala::ops::cpu {

enum class RowType : uint8_t { float32, bfloat16, float16 };

/// Tokens (B, N, C): rows of C adjacent values. Strides in elements; `data` null: absent.
struct RowsIn {
  const void* data = nullptr;
  RowType type = RowType::float32;
  int64_t batch_stride = 0;
  int64_t token_stride = 0;
};

/// Contiguous rows to write; `data` null: not wanted.
struct RowsOut {
  void* data = nullptr;
  RowType type = RowType::float32;
};

/// Row r is token r % tokens of picture r / tokens.
struct EpilogueShape {
  int64_t tokens = 0;
  int64_t channels = 0;
};

struct EpilogueForward {
  EpilogueShape shape;
  RowsIn y, lepe, gate;
  const float* weight = nullptr;  // (C)
  const float* bias = nullptr;    // (C)
  float eps = 1e-5F;
  RowsOut out;
  float* mean = nullptr;  // one per row
  float* rstd = nullptr;  // one per row
};

struct EpilogueBackward {
  EpilogueShape shape;
  RowsIn dout, y, lepe, gate;
  const float* weight = nullptr;  // (C)
  const float* bias = nullptr;    // (C)
  const float* mean = nullptr;
  const float* rstd = nullptr;
  RowsOut dx, dgate;
};

/// Rows that one call handles, and working memory of epilogue_scratch() floats of its own.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  float* scratch = nullptr;
};

/// Floats of working memory that one call needs for rows of `channels`.
constexpr int64_t epilogue_scratch(int64_t channels) {
  return 6 * (channels + 16);
}

/// The kernels of one instruction set. Pure functions of their arguments; ranges may run at once.
struct EpilogueKernels {
  void (*forward)(const EpilogueForward&, const RowRange&);
  /// Also writes the range's sums of the weight's and the bias' gradient: 2 C floats, C each.
  void (*backward)(const EpilogueBackward&, const RowRange&, float* parameter_sums);
};

extern const EpilogueKernels kEpilogueAvx2;    ///< needs AVX2, FMA and F16C
extern const EpilogueKernels kEpilogueAvx512;  ///< needs AVX-512 F, BW, VL and DQ

}  // namespace nala::ops::cpu
