// What the linear attention kernels are given: plain structs, no ATen.
//
// B images of h heads, N tokens, d channels per head; D is d rounded up to a kernel's tile of 32,
// 64, 96 or 128 channels. A feature has one or two halves of d channels, f = halves * d.
#pragma once

#include <cstdint>

// For functions that kernels call, too.
#if defined(__CUDACC__)
#define NALA_BOTH __host__ __device__
#else
#define NALA_BOTH
#endif

namespace nala::cuda {

/// In the order of ops/feature_maps.h.
enum class Map : int { relu_split, cosine, elu, relu, focused };

/// Whose features: the maps treat queries and keys differently.
enum class Side : int { query, key };

struct FeatureRule {
  Map map = Map::relu_split;
  bool norm_aware = true;
  float lambd = 3;
  float tau = 0.5f;
  float alpha = 20;
};

/// 2 for maps that split, else 1.
NALA_BOTH inline int halves_of(Map map) {
  return map == Map::relu_split || map == Map::cosine ? 2 : 1;
}

/// A (B, h, N, d) tensor: channels are neighbours, the other strides are multiples of 4 elements,
/// and the address is aligned to four elements.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t image_stride = 0;
  int64_t head_stride = 0;
  int64_t token_stride = 0;
};

/// cos and sin of the rotation, (N, d) each; null for none.
struct RotationTables {
  const float* cos = nullptr;
  const float* sin = nullptr;
};

struct AttentionShape {
  int64_t images = 1;
  int heads = 1;
  int tokens = 1;
  int channels = 4;
};

NALA_BOTH inline int64_t heads_of(const AttentionShape& shape) {
  return shape.images * shape.heads;
}

/// The tile of d channels, d a multiple of 4 up to 128.
NALA_BOTH constexpr int tile_of(int channels) {
  return (channels + 31) / 32 * 32;
}

/// Floats of one partial state: two halves of D rows of D columns, then the two halves' sums.
NALA_BOTH constexpr int64_t partial_floats(int tile) {
  return 2 * tile * tile + 2 * tile;
}

/// How sums over N are split: every part but the last has so many tokens.
struct SplitPlan {
  int splits = 1;
  int tokens_per_split = 1;
};

/// The state of every head: `matrix` (B h, f, d) and `mean` (B h, f).
struct StateView {
  float* matrix = nullptr;
  float* mean = nullptr;
};

/// Everything of one call that its kernels share.
struct AttentionCall {
  AttentionShape shape;
  FeatureRule rule;
  RotationTables rotation;
  SplitPlan plan;
};

}  // namespace nala::cuda
