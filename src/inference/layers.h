// Weights of the fused network's layers, packed as the kernels read them.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "inference/memory.h"
#include "ops/cpu/machine.h"

namespace nala::inference {

/// A linear layer or, as rows of pixels, a convolution.
struct PackedLinear {
  PackedLinear() = default;
  /// weight: (columns, depth), dense; bias: (columns).
  PackedLinear(const ops::cpu::LayerKernels& kernels,
               const float* weight,
               std::vector<float> bias,
               int64_t depth);

  [[nodiscard]] int64_t columns() const { return static_cast<int64_t>(bias.size()); }
  /// The product of all columns with rows at `a`; strides and the result are the caller's.
  [[nodiscard]] ops::cpu::Product product(const void* a, int64_t a_stride, int64_t rows) const;

  Buffer packed;
  std::vector<float> bias;
  int64_t depth = 0;
};

struct DepthwiseWeights {
  std::vector<float> weights;  ///< (kernel^2, C)
  std::vector<float> bias;     ///< (C)
  int kernel = 3;
};

/// Height and width of a map.
struct MapSize {
  int64_t height = 0, width = 0;
  [[nodiscard]] int64_t tokens() const { return height * width; }
};

/// Row y of a map in memory; rows of zeros above and below the map.
using RowOf = std::function<const float*(int64_t y)>;

struct ConvolvedRow {
  int64_t y = 0;
  int64_t width = 0;
  int64_t pixel_stride = 0;  ///< of the map that is read
  void* out = nullptr;       ///< (width, C), dense
  bool out_bfloat16 = false;
};

/// One row of the depthwise convolution of all channels.
void convolve_row(const ops::cpu::LayerKernels& kernels,
                  const DepthwiseWeights& weights,
                  const RowOf& row_of,
                  const ConvolvedRow& to);

}  // namespace nala::inference
