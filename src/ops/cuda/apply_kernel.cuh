// Rows times state: out_n = (R(phi(x_n)) matrix) s_n.
//
// Forward: x = q, s_n = z_n = 1 / (phi(x_n) . mean + eps), which is kept. Backward, for dv: x = k,
// matrix the gradient of the state, s = 1.
#pragma once

#include "block_products.cuh"
#include "state_rows.cuh"

namespace nala::cuda {

template <class T>
struct ApplyArguments {
  AttentionCall call;
  Side side = Side::query;
  Rows<const T> x;
  StateView state;  ///< no mean: s = 1
  Rows<T> out;
  float* normaliser = nullptr;  ///< (B h, N), written if there is a mean
  float eps = 0;
  int tiles_per_block = 1;
};

template <int D>
struct ApplyTile {
  using Size = Sizes<D>;
  static constexpr int tokens = Size::apply_tokens;
  static constexpr int across = Size::apply_across;
  static constexpr int down = Size::threads / across;
  static constexpr int columns_each = D / across;
  static constexpr int rows_each = tokens / down;
  static_assert(rows_each * down == tokens && tokens % kSweep<D> == 0);

  struct Shared {
    float features[tokens][2 * D + kPad];
    float state[Size::rows][D + kPad];
    float scale[tokens];
  };
};

/// Rotated features of one token into a row of the tile, and its s into `scale`.
template <Map map, Side side, int D, class T>
__device__ __forceinline__ void fill_apply_row(const ApplyArguments<T>& a,
                                               const HeadState& state,
                                               int64_t head,
                                               int2 rows,  // of the tile, of the tensor
                                               typename ApplyTile<D>::Shared& shared) {
  const TokenLane place;
  const AttentionShape& shape = a.call.shape;
  const bool present = rows.y < shape.tokens;
  const auto x =
      load_row<T, D>(row_address(a.x, shape, head, rows.y), present, shape.channels, place);
  const RowFacts facts = facts_of_row<map, side>(a.call.rule, x);
  float denominator = 0;
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    const int channel = place.channel(c);
    FeatureFour features = {};
    Turn turn;
    if (present && channel < shape.channels) {
      features = features_of<map, side>(a.call.rule, facts, x.chunk[c]);
      turn = load_turn(a.call.rotation, shape.channels, rows.y, channel);
    }
    NALA_UNROLL
    for (int half = 0; half < 2; ++half) {
      if (state.mean != nullptr && channel < shape.channels) {
        const Four mean = state.mean_four(half, channel);
        NALA_UNROLL
        for (int i = 0; i < 4; ++i) {
          denominator = fmaf(features.half[half].at[i], mean.at[i], denominator);
        }
      }
      store_four(&shared.features[rows.x][half * D + channel], rotated(features.half[half], turn));
    }
  }
  denominator = sum_over_lanes<kLanesPerToken>(denominator);
  const float scale = state.mean == nullptr ? 1.0f : 1 / (denominator + a.eps);
  if (place.lane == 0) {
    shared.scale[rows.x] = scale;
    if (present && state.mean != nullptr) {
      a.normaliser[head * shape.tokens + rows.y] = scale;
    }
  }
}

template <int D, class T>
__device__ __forceinline__ void store_applied(
    const ApplyArguments<T>& a,
    int64_t head,
    int first,
    int2 thread,
    const float (&out)[ApplyTile<D>::rows_each][ApplyTile<D>::columns_each]) {
  using Tile = ApplyTile<D>;
  NALA_UNROLL
  for (int i = 0; i < Tile::rows_each; ++i) {
    const int token = first + thread.y + Tile::down * i;
    T* const row = row_address(a.out, a.call.shape, head, token);
    NALA_UNROLL
    for (int j = 0; j < Tile::columns_each; j += 4) {
      const int column = Spread<Tile::columns_each, Tile::across>::index(thread.x, j);
      if (token < a.call.shape.tokens && column < a.call.shape.channels) {
        store_four(row + column, {{out[i][j], out[i][j + 1], out[i][j + 2], out[i][j + 3]}});
      }
    }
  }
}

template <class T, int D>
__global__ void __launch_bounds__(Sizes<D>::threads, 1) apply_kernel(ApplyArguments<T> a) {
  using Tile = ApplyTile<D>;
  NALA_SHARED(typename Tile::Shared, shared);
  const int tokens_per_block = a.tiles_per_block * Tile::tokens;
  const int blocks_per_head = (a.call.shape.tokens + tokens_per_block - 1) / tokens_per_block;
  const int64_t head = blockIdx.x / static_cast<unsigned>(blocks_per_head);
  const int begin =
      static_cast<int>(blockIdx.x % static_cast<unsigned>(blocks_per_head)) * tokens_per_block;
  const int end = min(begin + tokens_per_block, a.call.shape.tokens);
  const HeadState state(a.state, a.call, head);
  const int passes = state_passes<D>(state);
  const int2 thread = make_int2(static_cast<int>(threadIdx.x) % Tile::across,
                                static_cast<int>(threadIdx.x) / Tile::across);
  with_map(a.call.rule.map, a.side, [&](auto tag) {
    for (int first = begin; first < end; first += Tile::tokens) {
      for (int row = TokenLane().row; row < Tile::tokens; row += kSweep<D>) {
        fill_apply_row<decltype(tag)::map, decltype(tag)::side, D>(
            a, state, head, make_int2(row, first + row), shared);
      }
      float out[Tile::rows_each][Tile::columns_each] = {};
      for (int pass = 0; pass < passes; ++pass) {
        if (passes > 1 || first == begin) {
          load_state_rows<D>(state, pass * Sizes<D>::rows, shared.state);
        }
        __syncthreads();
        add_product<Sizes<D>::rows, Tile::down, Tile::across>(
            shared.features, pass * Sizes<D>::rows, shared.state, thread, out);
        if (pass + 1 == passes) {
          NALA_UNROLL
          for (int i = 0; i < Tile::rows_each; ++i) {
            NALA_UNROLL
            for (int j = 0; j < Tile::columns_each; ++j) {
              out[i][j] *= shared.scale[thread.y + Tile::down * i];
            }
          }
        }
        __syncthreads();
      }
      store_applied<D>(a, head, first, thread, out);
    }
  });
}

}  // namespace nala::cuda
