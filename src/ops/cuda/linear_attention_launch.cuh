// The order of the linear attention's kernels; instantiated per dtype by linear_attention_*.cu.
#pragma once

#include <type_traits>

#include "apply_kernel.cuh"
#include "combine_kernel.cuh"
#include "linear_attention_launch.h"
#include "pull_back_kernel.cuh"
#include "state_kernel.cuh"

namespace nala::cuda {

template <Dtype dtype>
struct ElementOf;
template <>
struct ElementOf<Dtype::float32> {
  using Type = float;
};
template <>
struct ElementOf<Dtype::bfloat16> {
  using Type = __nv_bfloat16;
};
template <>
struct ElementOf<Dtype::float16> {
  using Type = __half;
};

template <class T>
Rows<const T> typed(const Rows<const void>& rows) {
  return {static_cast<const T*>(rows.data), rows.image_stride, rows.head_stride, rows.token_stride};
}
template <class T>
Rows<T> typed(const Rows<void>& rows) {
  return {static_cast<T*>(rows.data), rows.image_stride, rows.head_stride, rows.token_stride};
}

/// Calls body(std::integral_constant<int, D>) for the tile of `channels`.
template <class Body>
void with_tile(int channels, Body body) {
  switch (tile_of(channels)) {
    case 32:
      return body(std::integral_constant<int, 32>());
    case 64:
      return body(std::integral_constant<int, 64>());
    case 96:
      return body(std::integral_constant<int, 96>());
    default:
      return body(std::integral_constant<int, 128>());
  }
}

template <int D, class T>
void launch_state(const StateArguments<T>& arguments, Stream stream) {
  const int parts = (halves_of(arguments.call.rule.map) + Sizes<D>::halves - 1) / Sizes<D>::halves;
  const int64_t blocks = heads_of(arguments.call.shape) * arguments.call.plan.splits * parts;
  launch(&state_kernel<T, D>,
         {static_cast<unsigned>(blocks), Sizes<D>::threads, sizeof(typename StateTile<D>::Shared)},
         stream, arguments);
}

/// The parts' sum, divided by N, as `state`.
inline void launch_combine(const AttentionCall& call,
                           const float* partial,
                           const StateView& state,
                           Stream stream) {
  const int tile = tile_of(call.shape.channels);
  CombineArguments arguments;
  arguments.partial = partial;
  arguments.part_floats = partial_floats(tile);
  arguments.parts = call.plan.splits;
  arguments.columns = call.shape.channels;
  arguments.pitch = tile;
  arguments.first_rows = halves_of(call.rule.map) * call.shape.channels;
  arguments.run = call.shape.channels;
  arguments.run_pitch = tile;
  arguments.second_rows = halves_of(call.rule.map);
  arguments.second_row = 2 * tile;
  arguments.first = state.matrix;
  arguments.second = state.mean;
  arguments.scale = 1 / static_cast<float>(call.shape.tokens);
  arguments.blocks_per_item = combine_blocks_per_item(arguments);
  const int64_t blocks = heads_of(call.shape) * arguments.blocks_per_item;
  launch(&combine_kernel, {static_cast<unsigned>(blocks), kCombineThreads, sizeof(CombineShared)},
         stream, arguments);
}

template <int D, class T>
void launch_apply(ApplyArguments<T> arguments, Stream stream) {
  using Tile = ApplyTile<D>;
  constexpr int64_t kEnoughBlocks = 1024;
  const int tiles = (arguments.call.shape.tokens + Tile::tokens - 1) / Tile::tokens;
  const int64_t heads = heads_of(arguments.call.shape);
  // A block that keeps the whole state in shared memory serves several tiles if there are plenty.
  const int64_t plenty = tiles * heads / kEnoughBlocks;
  arguments.tiles_per_block = static_cast<int>(plenty < 1 ? 1 : (plenty > 8 ? 8 : plenty));
  const int blocks_per_head = (tiles + arguments.tiles_per_block - 1) / arguments.tiles_per_block;
  launch(&apply_kernel<T, D>,
         {static_cast<unsigned>(heads * blocks_per_head), Sizes<D>::threads,
          sizeof(typename Tile::Shared)},
         stream, arguments);
}

template <int D, class T>
void launch_pull_back(const PullBackArguments<T>& arguments, Stream stream) {
  using Tile = PullBackTile<D>;
  const int64_t tiles = (arguments.call.shape.tokens + Tile::tokens - 1) / Tile::tokens;
  launch(&pull_back_kernel<T, D>,
         {static_cast<unsigned>(tiles * heads_of(arguments.call.shape)), Sizes<D>::threads,
          sizeof(typename Tile::Shared)},
         stream, arguments);
}

template <class T, int D>
void forward_kernels(const ForwardCall& given, Stream stream) {
  StateArguments<T> state;
  state.call = given.call;
  state.side = Side::key;
  state.x = typed<T>(given.k);
  state.right = typed<T>(given.v);
  state.partial = given.workspace;
  launch_state<D>(state, stream);
  launch_combine(given.call, given.workspace, given.state, stream);

  ApplyArguments<T> apply;
  apply.call = given.call;
  apply.side = Side::query;
  apply.x = typed<T>(given.q);
  apply.state = given.state;
  apply.out = typed<T>(given.y);
  apply.normaliser = given.normaliser;
  apply.eps = given.eps;
  launch_apply<D>(apply, stream);
}

/// The parts of the backward's workspace.
struct BackwardWorkspace {
  float* partial;
  StateView state_gradient;
  float* mean_weight;  // (B h, N)

  BackwardWorkspace(float* base, const AttentionCall& call) {
    const int64_t heads = heads_of(call.shape);
    const int64_t width = static_cast<int64_t>(halves_of(call.rule.map)) * call.shape.channels;
    partial = base;
    state_gradient.matrix = partial + forward_workspace_floats(call);
    state_gradient.mean = state_gradient.matrix + heads * width * call.shape.channels;
    mean_weight = state_gradient.mean + heads * width;
  }
};

template <class T, int D>
void backward_kernels(const BackwardCall& given, Stream stream) {
  const BackwardWorkspace workspace(given.workspace, given.call);
  PullBackArguments<T> query;
  query.call = given.call;
  query.side = Side::query;
  query.x = typed<T>(given.q);
  query.right = typed<T>(given.dy);
  query.state = given.state;
  query.normaliser = given.normaliser;
  query.mean_weight = workspace.mean_weight;
  query.dx = typed<T>(given.dq);
  launch_pull_back<D>(query, stream);

  StateArguments<T> state;
  state.call = given.call;
  state.side = Side::query;
  state.x = query.x;
  state.right = query.right;
  state.right_scale = given.normaliser;
  state.mean_weight = workspace.mean_weight;
  state.partial = workspace.partial;
  launch_state<D>(state, stream);
  launch_combine(given.call, workspace.partial, workspace.state_gradient, stream);

  ApplyArguments<T> apply;
  apply.call = given.call;
  apply.side = Side::key;
  apply.x = typed<T>(given.k);
  apply.state.matrix = workspace.state_gradient.matrix;
  apply.out = typed<T>(given.dv);
  launch_apply<D>(apply, stream);

  PullBackArguments<T> key;
  key.call = given.call;
  key.side = Side::key;
  key.x = apply.x;
  key.right = typed<T>(given.v);
  key.state = workspace.state_gradient;
  key.dx = typed<T>(given.dk);
  launch_pull_back<D>(key, stream);
}

template <Dtype dtype>
void launch_forward(const ForwardCall& call, const void* stream) {
  using T = typename ElementOf<dtype>::Type;
  with_tile(call.call.shape.channels, [&](auto tile) {
    forward_kernels<T, decltype(tile)::value>(call, static_cast<Stream>(const_cast<void*>(stream)));
  });
}

template <Dtype dtype>
void launch_backward(const BackwardCall& call, const void* stream) {
  using T = typename ElementOf<dtype>::Type;
  with_tile(call.call.shape.channels, [&](auto tile) {
    backward_kernels<T, decltype(tile)::value>(call,
                                               static_cast<Stream>(const_cast<void*>(stream)));
  });
}

}  // namespace nala::cuda
