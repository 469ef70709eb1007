// What the parts of a fused block share while they run; for src/inference/*block*.cpp alone.
#pragma once

#include <algorithm>

#include "inference/block.h"
#include "models/norm_eps.h"

namespace nala::inference {

inline constexpr auto kNormEps = static_cast<float>(models::kMapNormEps);
/// Tokens that a piece of work should have: enough for the products' tiles, few enough for caches.
inline constexpr int64_t kTokens = 192;

inline int64_t padded(int64_t count) {
  return Pieces::padded(count);
}

/// Rows of a map for about `tokens` tokens.
inline int64_t rows_of_tokens(int64_t tokens, MapSize size) {
  return std::max<int64_t>(1, (tokens + size.width - 1) / size.width);
}

struct Block::Run {
  Maps maps;
  Team& team;
  float* zeros;            // a row of any of the maps
  float* after_cpe;        // (N, C)
  float* packed;           // (N, 3C or 4C)
  float* after_attention;  // (N, C)
  BlockMemory& memory;
  Cut bands;  // rows of the map

  [[nodiscard]] MapSize size() const { return maps.size; }
  [[nodiscard]] ops::cpu::Range rows(int64_t band) const {
    return {bands.begin(band), bands.end(band)};
  }
  [[nodiscard]] RowOf rows_in(const float* map, int64_t pixel_stride) const {
    return [map, stride = pixel_stride * maps.size.width, height = maps.size.height,
            none = zeros](int64_t y) { return y < 0 || y >= height ? none : map + y * stride; };
  }
};

}  // namespace nala::inference
