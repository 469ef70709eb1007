// Layers of a network on rows of raw memory: matrix products and convolutions,
// depthwise convolutions and their gradients, normalisation, softmax. Free of LibTorch; the same
// functions exist once per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nala::ops::cpu {

enum class Activation : uint8_t { none, gelu, silu };

/// How the factors of products are kept; sums are always float32.
enum class Precision : uint8_t { float32, bfloat16 };

/// out = activation(A W^T + bias) + residual.
///
/// A row of A is `pieces` runs of `depth` adjacent values, `piece_stride` apart: one run for a
/// linear layer; three, one per row of the picture, for a 3x3 convolution over a map with a border,
/// whose rows of A overlap. Strides count elements of A, of the residual and of the result.
struct Product {
  const void* a = nullptr;  ///< float32 or bfloat16, as the kernels' precision
  int64_t a_stride = 0;
  int64_t pieces = 1;
  int64_t piece_stride = 0;
  int64_t depth = 0;              ///< even where the precision is bfloat16
  const void* weights = nullptr;  ///< as pack() wrote them
  const float* bias = nullptr;    ///< (columns), or null
  int64_t rows = 0;
  int64_t first_column = 0;  ///< a multiple of kPanelColumns
  int64_t columns = 0;       ///< one behind the last to compute
  Activation activation = Activation::none;
  const float* residual = nullptr;  ///< (rows, columns), or null; not `out` itself
  int64_t residual_stride = 0;
  void* out = nullptr;
  int64_t out_stride = 0;
  bool out_bfloat16 = false;
};

/// Columns that are kept together in packed weights.
inline constexpr int64_t kPanelColumns = 16;

/// Bytes of packed weights: `columns` rows of W with `depth` values each (all pieces together).
constexpr size_t packed_bytes(int64_t columns, int64_t depth, Precision precision) {
  const auto panels = static_cast<size_t>((columns + kPanelColumns - 1) / kPanelColumns);
  const size_t value = precision == Precision::float32 ? sizeof(float) : sizeof(uint16_t);
  return panels * kPanelColumns * static_cast<size_t>(depth) * value;
}

/// One row of a depthwise convolution with a square kernel and stride 1.
struct DepthwiseRow {
  const float* const* rows = nullptr;  ///< `kernel` rows of the map; outside of it rows of zeros
  int64_t pixel_stride = 0;            ///< of the rows
  int64_t width = 0;
  int64_t channels = 0;
  int kernel = 3;                  ///< 3 or 5
  const float* weights = nullptr;  ///< (kernel^2, C), rows `weight_stride` apart
  int64_t weight_stride = 0;
  const float* bias = nullptr;  ///< (C)
  void* out = nullptr;          ///< (width, C)
  int64_t out_stride = 0;
  bool out_bfloat16 = false;
};

/// What one row of a depthwise convolution's result adds to the gradients of its parameters.
struct DepthwiseGradientRow {
  const float* const* rows = nullptr;  ///< of the map, as in DepthwiseRow
  int64_t pixel_stride = 0;
  int64_t width = 0;
  int64_t channels = 0;
  int kernel = 3;                   ///< 3 or 5
  const float* gradient = nullptr;  ///< (width, C), of the result
  int64_t gradient_stride = 0;
  float* sums = nullptr;  ///< (kernel^2 + 1, C), of the weights, then the bias: added to
};

/// `count` adjacent values as float32, activated: none or GELU.
struct ReadValues {
  const void* in = nullptr;
  bool in_bfloat16 = false;
  Activation activation = Activation::none;
  int64_t count = 0;
  float* out = nullptr;
};

/// The gradient of ReadValues' `in` for that of its result.
struct ReadGradient {
  const float* gradient = nullptr;
  const void* in = nullptr;
  bool bfloat16 = false;  ///< in and out
  Activation activation = Activation::none;
  int64_t count = 0;
  void* out = nullptr;
};

/// (x - mean) / sqrt(variance + eps) of each row.
struct Normalisation {
  const float* in = nullptr;
  int64_t in_stride = 0;
  int64_t rows = 0;
  int64_t channels = 0;
  float eps = 1e-6F;
  void* out = nullptr;
  int64_t out_stride = 0;
  bool out_bfloat16 = false;
};

/// Rows of (N, d) times a factor, rotated: x cos + rot(x) sin, rot (x0, x1) -> (-x1, x0).
struct RotatedRows {
  const float* in = nullptr;
  int64_t in_stride = 0;
  const float* cos = nullptr;  ///< (N, d), or null for no rotation
  const float* sin = nullptr;
  int64_t rows = 0;
  int64_t channels = 0;
  float factor = 1;
  float* out = nullptr;
  int64_t out_stride = 0;
};

/// Weights W (columns, depth) as product() reads them; strides in elements.
struct Unpacked {
  const float* weights = nullptr;
  int64_t columns = 0;
  int64_t depth = 0;
  int64_t column_stride = 0;
  int64_t depth_stride = 1;
};

/// Functions of one instruction set. Pure; calls with other results may run at once.
struct LayerKernels {
  Precision precision;
  void (*pack)(const Unpacked&, void* packed);
  void (*product)(const Product&);
  void (*depthwise_row)(const DepthwiseRow&);
  void (*depthwise_gradient_row)(const DepthwiseGradientRow&);
  void (*read_values)(const ReadValues&);
  void (*read_gradient)(const ReadGradient&);
  void (*normalise)(const Normalisation&);
  void (*rotate)(const RotatedRows&);
  /// Each row of x becomes exp(x - its maximum); gives 1 / its sum per row.
  void (*softmax_rows)(float* x, int64_t stride, int64_t rows, int64_t columns, float* inverse);
  /// Sums over rows, added to `sums` (columns).
  void (*add_rows)(const float* x, int64_t stride, int64_t rows, int64_t columns, float* sums);
  void (*to_bfloat16)(const float* from, int64_t count, uint16_t* to);
};

extern const LayerKernels kLayersAvx2;        ///< needs AVX2, FMA and F16C
extern const LayerKernels kLayersAvx512;      ///< needs AVX-512 F, BW, VL and DQ
extern const LayerKernels kLayersAvx512Bf16;  ///< needs AVX-512 BF16 too

}  // namespace nala::ops::cpu
