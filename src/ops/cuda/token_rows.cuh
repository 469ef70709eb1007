// One token's channels in the registers of its eight lanes: loading, facts of the row, rotation.
#pragma once

#include "feature_math.cuh"
#include "tiles.cuh"
#include "vectors.cuh"

namespace nala::cuda {

/// The calling thread's place: token `row` of the sweep, lane `lane` of its eight.
struct TokenLane {
  int row, lane;
  __device__ TokenLane()
      : row(static_cast<int>(threadIdx.x) / kLanesPerToken),
        lane(static_cast<int>(threadIdx.x) % kLanesPerToken) {}
  /// The first of the four channels of chunk c.
  __device__ int channel(int chunk) const { return 4 * lane + 32 * chunk; }
};

/// A lane's share of a token.
template <int D>
struct RowShare {
  Four chunk[D / 32];
};

/// Address of a token's channel 0.
template <class T>
__device__ __forceinline__ T* row_address(const Rows<T>& rows,
                                          const AttentionShape& shape,
                                          int64_t head,
                                          int64_t token) {
  return rows.data + head / shape.heads * rows.image_stride +
         head % shape.heads * rows.head_stride + token * rows.token_stride;
}

/// Zeros past the last channel, and everywhere if `present` is false.
template <class T, int D>
__device__ __forceinline__ RowShare<D> load_row(const T* row,
                                                bool present,
                                                int channels,
                                                const TokenLane& place) {
  RowShare<D> share = {};
  NALA_UNROLL
  for (int c = 0; c < D / 32; ++c) {
    if (present && place.channel(c) < channels) {
      share.chunk[c] = load_four(row + place.channel(c));
    }
  }
  return share;
}

/// Whether facts_of() needs sums over the row.
template <Map map, Side side>
constexpr bool kNeedsSums = map == Map::cosine || map == Map::focused ||
                            (map == Map::relu_split && side == Side::query);

/// To be called by all lanes of a warp.
template <Map map, Side side, int D>
__device__ __forceinline__ RowFacts facts_of_row(const FeatureRule& rule, const RowShare<D>& x) {
  float square = 0;
  float sextic = 0;
  if constexpr (kNeedsSums<map, side>) {
    NALA_UNROLL
    for (int c = 0; c < D / 32; ++c) {
      NALA_UNROLL
      for (int i = 0; i < 4; ++i) {
        const float value =
            map == Map::focused ? positive_part(x.chunk[c].at[i]) : x.chunk[c].at[i];
        square = fmaf(value, value, square);
        if constexpr (map == Map::focused) {
          const float cube = value * value * value;
          sextic = fmaf(cube, cube, sextic);
        }
      }
    }
    square = sum_over_lanes<kLanesPerToken>(square);
    if constexpr (map == Map::focused) {
      sextic = sum_over_lanes<kLanesPerToken>(sextic);
    }
  }
  return facts_of<map, side>(rule, square, sextic);
}

/// Both halves of four channels' features.
struct FeatureFour {
  Four half[2];
};

template <Map map, Side side>
__device__ __forceinline__ FeatureFour features_of(const FeatureRule& rule,
                                                   const RowFacts& row,
                                                   const Four& x) {
  FeatureFour features;
  NALA_UNROLL
  for (int i = 0; i < 4; ++i) {
    const Feature feature = feature_of<map, side>(rule, row, x.at[i]);
    features.half[0].at[i] = feature.first;
    features.half[1].at[i] = feature.second;
  }
  return features;
}

/// cos and sin of four channels of a token; 1 and 0 without tables.
struct Turn {
  Four cos = {{1, 1, 1, 1}};
  Four sin = {{0, 0, 0, 0}};
};

__device__ __forceinline__ Turn load_turn(const RotationTables& tables,
                                          int channels,
                                          int64_t token,
                                          int channel) {
  Turn turn;
  if (tables.cos != nullptr) {
    turn.cos = load_four(tables.cos + token * channels + channel);
    turn.sin = load_four(tables.sin + token * channels + channel);
  }
  return turn;
}

/// x cos + rot(x) sin, rot: (x0, x1) -> (-x1, x0).
__device__ __forceinline__ Four rotated(const Four& x, const Turn& turn) {
  Four y;
  NALA_UNROLL
  for (int i = 0; i < 4; i += 2) {
    y.at[i] = x.at[i] * turn.cos.at[i] - x.at[i + 1] * turn.sin.at[i];
    y.at[i + 1] = x.at[i + 1] * turn.cos.at[i + 1] + x.at[i] * turn.sin.at[i + 1];
  }
  return y;
}

/// The transpose of rotated().
__device__ __forceinline__ Four rotated_back(const Four& y, const Turn& turn) {
  Four x;
  NALA_UNROLL
  for (int i = 0; i < 4; i += 2) {
    x.at[i] = y.at[i] * turn.cos.at[i] + y.at[i + 1] * turn.sin.at[i + 1];
    x.at[i + 1] = y.at[i + 1] * turn.cos.at[i + 1] - y.at[i] * turn.sin.at[i];
  }
  return x;
}

template <Map map_value, Side side_value>
struct MapTag {
  static constexpr Map map = map_value;
  static constexpr Side side = side_value;
};

/// Calls body(MapTag<...>()) for the map and side, so that the choice stands outside all loops.
template <class Body>
__device__ __forceinline__ void with_map(Map map, Side side, Body body) {
  switch (map) {
    case Map::relu_split:
      return side == Side::query ? body(MapTag<Map::relu_split, Side::query>())
                                 : body(MapTag<Map::relu_split, Side::key>());
    case Map::cosine:
      return side == Side::query ? body(MapTag<Map::cosine, Side::query>())
                                 : body(MapTag<Map::cosine, Side::key>());
    case Map::elu:
      return body(MapTag<Map::elu, Side::key>());
    case Map::relu:
      return body(MapTag<Map::relu, Side::key>());
    case Map::focused:
      return body(MapTag<Map::focused, Side::key>());
  }
}

}  // namespace nala::cuda
