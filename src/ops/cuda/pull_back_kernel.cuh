// From the gradient of a state's product with a row to the gradient of the row:
//
//   U_n     = right_n a_n matrix^T
//   w_n     = -z_n R(phi(x_n)) . U_n   for queries (a = z), 1 for keys
//   dphi_n  = R^T(U_n) + w_n mean
//   dx_n    = dphi_n through the feature map
//
// Queries: right = dy, matrix and mean of the forward; w, the gradient of 1/z, is kept. Keys: right
// = v, matrix and mean the gradients of those of the forward. Features are computed again.
#pragma once

#include "block_products.cuh"
#include "state_rows.cuh"

namespace nala::cuda {

template <class T>
struct PullBackArguments {
  AttentionCall call;
  Side side = Side::query;
  Rows<const T> x;
  Rows<const T> right;
  StateView state;
  const float* normaliser = nullptr;  ///< z, (B h, N), of queries
  float* mean_weight = nullptr;       ///< w, (B h, N), of queries
  Rows<T> dx;
};

template <int D>
struct PullBackTile {
  using Size = Sizes<D>;
  static constexpr int tokens = Size::pull_tokens;
  static constexpr int across = Size::pull_across;
  static constexpr int down = Size::threads / across;
  static constexpr int columns_each = Size::rows / across;
  static constexpr int rows_each = tokens / down;
  static_assert(rows_each * down == tokens && tokens % kSweep<D> == 0);

  struct Shared {
    float right[tokens][D + kPad];
    float pulled[tokens][2 * D + kPad];  // U
    float state[Size::rows][D + kPad];
  };
};

template <int D, class T>
__device__ __forceinline__ void fill_right_row(const PullBackArguments<T>& a,
                                               int64_t head,
                                               int2 rows,  // of the tile, of the tensor
                                               typename PullBackTile<D>::Shared& shared) {
  const TokenLane place;
  const AttentionShape& shape = a.call.shape;
  const bool present = rows.y < shape.tokens;
  auto right =
      load_row<T, D>(row_address(a.right, shape, head, rows.y), present, shape.channels, place);
  const bool scaled = present && a.normaliser != nullptr;
  const float scale = scaled ? a.normaliser[head * shape.tokens + rows.y] : 1.0f;
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      right.chunk[c].at[i] *= scale;
    }
    store_four(&shared.right[rows.x][place.channel(c)], right.chunk[c]);
  }
}

/// U of the tile, rows of the state after rows of the state.
template <int D>
__device__ __forceinline__ void pull_tile(const HeadState& state,
                                          typename PullBackTile<D>::Shared& shared) {
  using Tile = PullBackTile<D>;
  const int2 thread = make_int2(static_cast<int>(threadIdx.x) % Tile::across,
                                static_cast<int>(threadIdx.x) / Tile::across);
  const int passes = state_passes<D>(state);
  for (int pass = 0; pass < passes; ++pass) {
    load_state_rows<D>(state, pass * Sizes<D>::rows, shared.state);
    __syncthreads();
    float pulled[Tile::rows_each][Tile::columns_each];
    set_product_transposed<D, Tile::down, Tile::across>(shared.right, shared.state, thread, pulled);
    NALA_UNROLL
    for (int i = 0; i < Tile::rows_each; ++i) {
      NALA_UNROLL
      for (int j = 0; j < Tile::columns_each; ++j) {
        shared.pulled[thread.y + Tile::down * i]
                     [pass * Sizes<D>::rows + thread.x + Tile::across * j] = pulled[i][j];
      }
    }
    __syncthreads();
  }
}

/// R^T(U) of four channels of both halves of a token; zeros for a half that the map lacks.
template <int D>
__device__ __forceinline__ FeatureFour
pulled_four(const float (&pulled)[2 * D + kPad], int halves, int channel, const Turn& turn) {
  FeatureFour four = {};
  NALA_UNROLL
  for (int half = 0; half < 2; ++half) {
    if (half < halves) {
      four.half[half] = rotated_back(load_four(&pulled[half * D + channel]), turn);
    }
  }
  return four;
}

/// w_n; to be called by all lanes of a warp.
template <Map map, Side side, int D, class T>
__device__ __forceinline__ float mean_weight_of(const PullBackArguments<T>& a,
                                                const RowFacts& facts,
                                                const RowShare<D>& x,
                                                int token,
                                                const float (&pulled)[2 * D + kPad]) {
  const TokenLane place;
  const AttentionShape& shape = a.call.shape;
  float dot = 0;
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    const int channel = place.channel(c);
    if (token < shape.tokens && channel < shape.channels) {
      const Turn turn = load_turn(a.call.rotation, shape.channels, token, channel);
      const FeatureFour back = pulled_four<D>(pulled, halves_of(map), channel, turn);
      const FeatureFour features = features_of<map, side>(a.call.rule, facts, x.chunk[c]);
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        dot = fmaf(features.half[0].at[i], back.half[0].at[i], dot);
        dot = fmaf(features.half[1].at[i], back.half[1].at[i], dot);
      }
    }
  }
  return -sum_over_lanes<kLanesPerToken>(dot);
}

/// dx of one token, from its row of U.
template <Map map, Side side, int D, class T>
__device__ __forceinline__ void store_gradient(const PullBackArguments<T>& a,
                                               const HeadState& state,
                                               int64_t head,
                                               int token,
                                               const float (&pulled)[2 * D + kPad]) {
  const TokenLane place;
  const AttentionShape& shape = a.call.shape;
  const bool present = token < shape.tokens;
  const int64_t row = head * shape.tokens + token;
  const auto x =
      load_row<T, D>(row_address(a.x, shape, head, token), present, shape.channels, place);
  const RowFacts facts = facts_of_row<map, side>(a.call.rule, x);
  float weight = 1;
  if (a.side == Side::query) {
    weight = mean_weight_of<map, side, D>(a, facts, x, token, pulled);
    weight *= present ? a.normaliser[row] : 0.0f;
    if (present && place.lane == 0) {
      a.mean_weight[row] = weight;
    }
  }
  Pulled elements[D / 32][4] = {};
  float dot = 0;
  float exponent = 0;
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    const int channel = place.channel(c);
    if (!present || channel >= shape.channels) {
      continue;
    }
    const Turn turn = load_turn(a.call.rotation, shape.channels, token, channel);
    const FeatureFour back = pulled_four<D>(pulled, halves_of(map), channel, turn);
    const Four first = state.mean_four(0, channel);
    const Four second = state.mean_four(1, channel);
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      const Feature gradient = {fmaf(weight, first.at[i], back.half[0].at[i]),
                                fmaf(weight, second.at[i], back.half[1].at[i])};
      const float value = x.chunk[c].at[i];
      elements[c][i] = pull<map, side>(a.call.rule, facts, value, gradient);
      dot = fmaf(elements[c][i].direction, along<map>(facts, value), dot);
      exponent += elements[c][i].exponent;
    }
  }
  if constexpr (kNeedsSums<map, side>) {
    dot = sum_over_lanes<kLanesPerToken>(dot);
    exponent = sum_over_lanes<kLanesPerToken>(exponent);
  }
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    if (present && place.channel(c) < shape.channels) {
      Four dx;
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        dx.at[i] = gradient_of<map>(facts, x.chunk[c].at[i], elements[c][i], dot, exponent);
      }
      store_four(row_address(a.dx, shape, head, token) + place.channel(c), dx);
    }
  }
}

template <class T, int D>
__global__ void __launch_bounds__(Sizes<D>::threads, 1) pull_back_kernel(PullBackArguments<T> a) {
  using Tile = PullBackTile<D>;
  NALA_SHARED(typename Tile::Shared, shared);
  const int tiles_per_head = (a.call.shape.tokens + Tile::tokens - 1) / Tile::tokens;
  const int64_t head = blockIdx.x / static_cast<unsigned>(tiles_per_head);
  const int first =
      static_cast<int>(blockIdx.x % static_cast<unsigned>(tiles_per_head)) * Tile::tokens;
  const HeadState state(a.state, a.call, head);
  for (int row = TokenLane().row; row < Tile::tokens; row += kSweep<D>) {
    fill_right_row<D>(a, head, make_int2(row, first + row), shared);
  }
  pull_tile<D>(state, shared);
  with_map(a.call.rule.map, a.side, [&](auto tag) {
    for (int row = TokenLane().row; row < Tile::tokens; row += kSweep<D>) {
      store_gradient<decltype(tag)::map, decltype(tag)::side, D>(a, state, head, first + row,
                                                                 shared.pulled[row]);
    }
  });
}

}  // namespace nala::cuda
