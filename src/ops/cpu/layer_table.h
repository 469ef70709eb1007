// The functions of ops/cpu/layer_kernels.h of one instruction set.
#pragma once

#include "ops/cpu/layer_products.h"
#include "ops/cpu/layer_rows.h"

namespace nala::ops::cpu {

template <class V, class F>
constexpr LayerKernels layer_kernels(Precision precision) {
  return {precision,
          &pack<V, F>,
          &product<V, F>,
          &depthwise_row<V>,
          &depthwise_gradient_row<V>,
          &read_values<V>,
          &read_gradient<V>,
          &normalise<V>,
          &rotate<V>,
          &softmax_rows<V>,
          &add_rows<V>,
          &to_bfloat16<V>};
}

}  // namespace nala::ops::cpu
