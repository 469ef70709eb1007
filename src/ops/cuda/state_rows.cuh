// Reading a head's state: rows of its matrix into shared memory, its mean four channels at a time.
#pragma once

#include "token_rows.cuh"

namespace nala::cuda {

/// The state of head `head` of B h: (f, d) and (f), as combine_kernel.cuh leaves it.
struct HeadState {
  const float* matrix;
  const float* mean;
  int halves;
  int channels;

  __device__ HeadState(const StateView& state, const AttentionCall& call, int64_t head)
      : halves(halves_of(call.rule.map)), channels(call.shape.channels) {
    const int64_t width = static_cast<int64_t>(halves) * channels;
    matrix = state.matrix + head * width * channels;
    mean = state.mean == nullptr ? nullptr : state.mean + head * width;
  }

  /// Zeros for the second half of a map that has one.
  __device__ Four mean_four(int half, int channel) const {
    return half < halves ? load_four(mean + half * channels + channel) : Four{};
  }
};

/// Rows [first, first + rows) of the two-halved, D-wide state, zeros where the state has none.
template <int D, int Rows>
__device__ __forceinline__ void load_state_rows(const HeadState& state,
                                                int first,
                                                float (&to)[Rows][D + kPad]) {
  constexpr int kFours = D / 4;
  for (int i = static_cast<int>(threadIdx.x); i < Rows * kFours; i += Sizes<D>::threads) {
    const int row = first + i / kFours;
    const int half = row / D;
    const int within = row % D;
    const int column = i % kFours * 4;
    const bool present = half < state.halves && within < state.channels && column < state.channels;
    const int64_t source = static_cast<int64_t>(half * state.channels + within) * state.channels;
    store_four(&to[i / kFours][column],
               present ? load_four(state.matrix + source + column) : Four{});
  }
}

/// How often rows of Sizes<D>::rows must be loaded to see the whole state.
template <int D>
__device__ __forceinline__ int state_passes(const HeadState& state) {
  return (state.halves * D + Sizes<D>::rows - 1) / Sizes<D>::rows;
}

}  // namespace nala::cuda
