// Sizes of blocks and tiles, per tile of D channels.
//
// Eight lanes share a token; lane s of them holds channels 4 s + 32 c ... + 3, so that every load
// of a warp covers whole 128-byte lines and a pair that rotates together stays in one lane.
#pragma once

#include "attention_arguments.h"
#include "portable.cuh"

namespace nala::cuda {

constexpr int kLanesPerToken = 8;
constexpr int kPad = 4;  // floats added to a row of shared memory, against bank conflicts

template <int D>
struct Sizes;

/// threads: of a block. halves: of the state that a block of the state kernel sums up. *_tokens: of
/// a tile. rows: of the state that are in shared memory at a time. The rest says how a product's
/// result is spread over threads: across threads side by side, each with so many rows and columns
/// of it.
template <>
struct Sizes<32> {
  static constexpr int threads = 256, halves = 2, rows = 64;
  static constexpr int outer_across = 8, outer_rows = 8;
  static constexpr int apply_tokens = 128, apply_across = 8;
  static constexpr int pull_tokens = 64, pull_across = 16;
};
template <>
struct Sizes<64> {
  static constexpr int threads = 256, halves = 2, rows = 128;
  static constexpr int outer_across = 16, outer_rows = 8;
  static constexpr int apply_tokens = 64, apply_across = 16;
  static constexpr int pull_tokens = 32, pull_across = 32;
};
template <>
struct Sizes<96> {
  static constexpr int threads = 192, halves = 1, rows = 96;
  static constexpr int outer_across = 24, outer_rows = 12;
  static constexpr int apply_tokens = 48, apply_across = 24;
  static constexpr int pull_tokens = 24, pull_across = 24;
};
template <>
struct Sizes<128> {
  static constexpr int threads = 256, halves = 1, rows = 64;
  static constexpr int outer_across = 16, outer_rows = 8;
  static constexpr int apply_tokens = 32, apply_across = 16;
  static constexpr int pull_tokens = 32, pull_across = 16;
};

/// Tokens that a block loads at a time, one per eight lanes.
template <int D>
constexpr int kSweep = Sizes<D>::threads / kLanesPerToken;

}  // namespace nala::cuda
