// The kernels of one instruction set, with the map chosen once per call.
#pragma once

#include "ops/cpu/passes.h"

namespace nala::ops::cpu {

/// Calls run<Map>() with the map of the queries.
template <class V, class Run>
inline void with_query_map(const Setup& setup, Run run) {
  switch (setup.map) {
    case FeatureMap::relu_split:
      return run.template operator()<SplitQuery<V>>();
    case FeatureMap::cosine:
      return run.template operator()<CosineQuery<V>>();
    case FeatureMap::elu:
      return run.template operator()<Elu<V>>();
    case FeatureMap::relu:
      return run.template operator()<Relu<V>>();
    case FeatureMap::focused:
      return run.template operator()<Focused<V>>();
  }
}

/// Calls run<Map>() with the map of the keys; the usual exponent, 3, has a faster one.
template <class V, class Run>
inline void with_key_map(const Setup& setup, Run run) {
  const bool cubic = setup.lambd == 3;
  switch (setup.map) {
    case FeatureMap::relu_split:
      return cubic ? run.template operator()<SplitKey<V, true>>()
                   : run.template operator()<SplitKey<V, false>>();
    case FeatureMap::cosine:
      return cubic ? run.template operator()<CosineKey<V, true>>()
                   : run.template operator()<CosineKey<V, false>>();
    case FeatureMap::elu:
      return run.template operator()<Elu<V>>();
    case FeatureMap::relu:
      return run.template operator()<Relu<V>>();
    case FeatureMap::focused:
      return run.template operator()<Focused<V>>();
  }
}

template <class V>
struct KernelTable {
  static size_t scratch(const Setup& setup) {
    const auto panels = static_cast<size_t>(panels_of<V>(setup.d));
    const size_t padded = panels * V::kWidth;
    const size_t block = (kBlockTokens + kPanelGap) * padded;
    const size_t state = (2 * padded + kPanelGap) * padded;
    // x and dy, features and their gradients, five kept; S and its transpose; small rest.
    return 11 * block + 2 * state + 2 * kPanelGap * padded + 4 * padded +
           (kBlockTokens + 64) * V::kWidth + 256;
  }
  static void key_state(const Setup& setup,
                        const Sequence& sequence,
                        Range range,
                        const State& sums,
                        float* scratch) {
    with_key_map<V>(
        setup, [&]<class Map>() { cpu::key_state<V, Map>(setup, sequence, range, sums, scratch); });
  }
  static void query_output(const Setup& setup,
                           const Sequence& sequence,
                           Range range,
                           const State& state,
                           float* scratch) {
    with_query_map<V>(setup, [&]<class Map>() {
      cpu::query_output<V, Map>(setup, sequence, range, state, scratch);
    });
  }
  static void query_gradient(const Setup& setup,
                             const Sequence& sequence,
                             Range range,
                             const QueryStates& states,
                             float* scratch) {
    with_query_map<V>(setup, [&]<class Map>() {
      cpu::query_gradient<V, Map>(setup, sequence, range, states, scratch);
    });
  }
  static void key_gradient(const Setup& setup,
                           const Sequence& sequence,
                           Range range,
                           const State& gradient,
                           float* scratch) {
    with_key_map<V>(setup, [&]<class Map>() {
      cpu::key_gradient<V, Map>(setup, sequence, range, gradient, scratch);
    });
  }
  static constexpr Kernels kernels = {&scratch, &key_state, &query_output, &query_gradient,
                                      &key_gradient};
};

}  // namespace nala::ops::cpu
