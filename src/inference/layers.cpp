#include "inference/layers.h"

#include <array>

namespace nala::inference {

using ops::cpu::LayerKernels;

PackedLinear::PackedLinear(const LayerKernels& kernels,
                           const float* weight,
                           std::vector<float> given_bias,
                           int64_t given_depth)
    : packed(ops::cpu::packed_bytes(
          static_cast<int64_t>(given_bias.size()), given_depth, kernels.precision)),
      bias(std::move(given_bias)),
      depth(given_depth) {
  kernels.pack({.weights = weight, .columns = columns(), .depth = depth, .column_stride = depth},
               packed.reserve(0));
}

ops::cpu::Product PackedLinear::product(const void* a, int64_t a_stride, int64_t rows) const {
  return {.a = a,
          .a_stride = a_stride,
          .depth = depth,
          .weights = packed.data(),
          .bias = bias.data(),
          .rows = rows,
          .columns = columns(),
          .out_stride = columns()};
}

void convolve_row(const LayerKernels& kernels,
                  const DepthwiseWeights& weights,
                  const RowOf& row_of,
                  const ConvolvedRow& to) {
  std::array<const float*, 5> rows{};
  for (int i = 0; i < weights.kernel; ++i) {
    rows[i] = row_of(to.y + i - weights.kernel / 2);
  }
  const auto channels = static_cast<int64_t>(weights.bias.size());
  kernels.depthwise_row({.rows = rows.data(),
                         .pixel_stride = to.pixel_stride,
                         .width = to.width,
                         .channels = channels,
                         .kernel = weights.kernel,
                         .weights = weights.weights.data(),
                         .weight_stride = channels,
                         .bias = weights.bias.data(),
                         .out = to.out,
                         .out_stride = channels,
                         .out_bfloat16 = to.out_bfloat16});
}

}  // namespace nala::inference
