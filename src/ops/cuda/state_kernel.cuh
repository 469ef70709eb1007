// Sums over tokens, split into parts of N: for every head
//
//   matrix = sum_n R(phi(x_n))^T right_n a_n       (f, d)
//   mean   = sum_n phi(x_n) b_n                    (f)
//
// forward: x = k, right = v, a = b = 1. Backward, for the gradients of the state: x = q, right =
// dy, a the normaliser z, b the gradient of 1/z. No atomics: combine_kernel.cuh adds the parts up.
#pragma once

#include "block_products.cuh"
#include "token_rows.cuh"

namespace nala::cuda {

template <class T>
struct StateArguments {
  AttentionCall call;
  Side side = Side::key;
  Rows<const T> x;
  Rows<const T> right;
  const float* right_scale = nullptr;  ///< a, (B h, N); null for 1
  const float* mean_weight = nullptr;  ///< b, (B h, N); null for 1
  float* partial = nullptr;            ///< (B h, splits, partial_floats(D))
};

template <int D>
struct StateTile {
  using Size = Sizes<D>;
  static constexpr int rows = Size::halves * D;  // of the matrix, that a block sums up
  static constexpr int across = Size::outer_across;
  static constexpr int down = rows / Size::outer_rows;
  static constexpr int columns_each = D / across;
  static constexpr int groups = Size::threads / (across * down);  // share the tile's tokens
  static_assert(groups * across * down == Size::threads);

  struct Shared {
    float features[kSweep<D>][rows + kPad];
    float right[kSweep<D>][D + kPad];
    float handed[groups > 1 ? rows : 1][D];  // from group to group, at the end
  };
};

/// What a block has to do.
struct StateBlock {
  int64_t head;  // of B h
  int split, first_half, begin, end;

  template <class T>
  __device__ StateBlock(const StateArguments<T>& arguments, int halves_per_block) {
    const int parts =
        (halves_of(arguments.call.rule.map) + halves_per_block - 1) / halves_per_block;
    const int64_t block = blockIdx.x;
    const int64_t pair = block / parts;
    first_half = static_cast<int>(block % parts) * halves_per_block;
    const SplitPlan& plan = arguments.call.plan;
    split = static_cast<int>(pair % plan.splits);
    head = pair / plan.splits;
    begin = split * plan.tokens_per_split;
    end = min(begin + plan.tokens_per_split, arguments.call.shape.tokens);
  }
};

/// Fills one row of the tile with rotated features and the other factor, and adds up the features.
template <Map map, Side side, int D, class T>
__device__ __forceinline__ void fill_state_row(const StateArguments<T>& a,
                                               const StateBlock& block,
                                               int token,
                                               typename StateTile<D>::Shared& shared,
                                               Four (&sums)[Sizes<D>::halves][D / 32]) {
  const TokenLane place;
  const AttentionShape& shape = a.call.shape;
  const bool present = token < block.end;
  const int64_t row = block.head * shape.tokens + token;  // of (B h, N)
  const auto x =
      load_row<T, D>(row_address(a.x, shape, block.head, token), present, shape.channels, place);
  const auto right = load_row<T, D>(row_address(a.right, shape, block.head, token), present,
                                    shape.channels, place);
  const float scale = present && a.right_scale != nullptr ? a.right_scale[row] : 1.0f;
  const float weight = present && a.mean_weight != nullptr ? a.mean_weight[row] : 1.0f;
  const RowFacts facts = facts_of_row<map, side>(a.call.rule, x);
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    const int channel = place.channel(c);
    FeatureFour features = {};
    Turn turn;
    if (present && channel < shape.channels) {
      features = features_of<map, side>(a.call.rule, facts, x.chunk[c]);
      turn = load_turn(a.call.rotation, shape.channels, token, channel);
    }
    NALA_UNROLL
    for (int h = 0; h < Sizes<D>::halves; ++h) {
      Four half = features.half[0];
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {  // a choice of values: one of addresses would go through memory
        half.at[i] = block.first_half + h == 0 ? half.at[i] : features.half[1].at[i];
      }
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        sums[h][c].at[i] = fmaf(weight, half.at[i], sums[h][c].at[i]);
      }
      store_four(&shared.features[place.row][h * D + channel], rotated(half, turn));
    }
    Four scaled = right.chunk[c];
    NALA_UNROLL
    for (int i = 0; i < 4; ++i) {
      scaled.at[i] *= scale;
    }
    store_four(&shared.right[place.row][channel], scaled);
  }
}

/// Adds the groups' results to the first group's, in order.
template <int D>
__device__ __forceinline__ void gather_groups(
    typename StateTile<D>::Shared& shared,
    int2 thread,
    int group,
    float (&matrix)[Sizes<D>::outer_rows][StateTile<D>::columns_each]) {
  using Tile = StateTile<D>;
  for (int from = 1; from < Tile::groups; ++from) {
    __syncthreads();
    for (int pass = 0; pass < 2; ++pass) {
      NALA_UNROLL
      for (int i = 0; i < Sizes<D>::outer_rows; ++i) {
        const int row = Spread<Sizes<D>::outer_rows, Tile::down>::index(thread.y, i);
        NALA_UNROLL
        for (int j = 0; j < Tile::columns_each; ++j) {
          const int column = Spread<Tile::columns_each, Tile::across>::index(thread.x, j);
          if (pass == 0 && group == from) {
            shared.handed[row][column] = matrix[i][j];
          } else if (pass == 1 && group == 0) {
            matrix[i][j] += shared.handed[row][column];
          }
        }
      }
      __syncthreads();
    }
  }
}

template <int D>
__device__ __forceinline__ void store_matrix(
    float* partial,
    int2 thread,
    const float (&matrix)[Sizes<D>::outer_rows][StateTile<D>::columns_each]) {
  using Tile = StateTile<D>;
  NALA_UNROLL
  for (int i = 0; i < Sizes<D>::outer_rows; ++i) {
    const int row = Spread<Sizes<D>::outer_rows, Tile::down>::index(thread.y, i);
    NALA_UNROLL
    for (int j = 0; j < Tile::columns_each; j += 4) {
      const int column = Spread<Tile::columns_each, Tile::across>::index(thread.x, j);
      store_four(partial + row * D + column,
                 {{matrix[i][j], matrix[i][j + 1], matrix[i][j + 2], matrix[i][j + 3]}});
    }
  }
}

/// Adds up the sums of features over the lanes that have the same channels, in order of tokens.
template <int D>
__device__ __forceinline__ void store_sums(float* partial,
                                           typename StateTile<D>::Shared& shared,
                                           const Four (&sums)[Sizes<D>::halves][D / 32]) {
  const TokenLane place;
  NALA_UNROLL
  for (int h = 0; h < Sizes<D>::halves; ++h) {
    NALA_UNROLL
    for (int c = 0; c < D / 32; ++c) {
      store_four(&shared.features[place.row][h * D + place.channel(c)], sums[h][c]);
    }
  }
  __syncthreads();
  const int column = static_cast<int>(threadIdx.x);
  if (column < StateTile<D>::rows) {
    float sum = 0;
    for (int row = 0; row < kSweep<D>; ++row) {
      sum += shared.features[row][column];
    }
    partial[column] = sum;
  }
}

template <class T, int D>
__global__ void __launch_bounds__(Sizes<D>::threads, 1) state_kernel(StateArguments<T> a) {
  using Tile = StateTile<D>;
  NALA_SHARED(typename Tile::Shared, shared);
  const StateBlock block(a, Sizes<D>::halves);
  const int in_group = static_cast<int>(threadIdx.x) % (Tile::across * Tile::down);
  const int group = static_cast<int>(threadIdx.x) / (Tile::across * Tile::down);
  const int2 thread = make_int2(in_group % Tile::across, in_group / Tile::across);
  constexpr int kTokens = kSweep<D> / Tile::groups;
  float matrix[Sizes<D>::outer_rows][Tile::columns_each] = {};
  Four sums[Sizes<D>::halves][D / 32] = {};
  with_map(a.call.rule.map, a.side, [&](auto tag) {
    for (int first = block.begin; first < block.end; first += kSweep<D>) {
      fill_state_row<decltype(tag)::map, decltype(tag)::side, D>(a, block, first + TokenLane().row,
                                                                 shared, sums);
      __syncthreads();
      add_outer_products<Tile::down, Tile::across>(
          shared.features, shared.right, make_int2(group * kTokens, (group + 1) * kTokens), thread,
          matrix);
      __syncthreads();
    }
  });
  gather_groups<D>(shared, thread, group, matrix);
  float* const partial =
      a.partial + (block.head * a.call.plan.splits + block.split) * partial_floats(D);
  if (group == 0) {
    store_matrix<D>(partial + block.first_half * D * D, thread, matrix);
  }
  store_sums<D>(partial + 2 * D * D + block.first_half * D, shared, sums);
}

}  // namespace nala::cuda
