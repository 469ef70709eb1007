#include "models/zoo.h"

#include <algorithm>

namespace nala::models {
namespace {

using enum ModelName;

// model, dims, depths, heads, mlp ratio, drop path, LayerScale, published parameters,
// multiply-adds, top-1
constexpr std::array<ZooRow, 6> kZoo = {{
    {nalaformer_xt,
     {32, 64, 128, 384},
     {2, 2, 2, 2},
     {1, 2, 4, 12},
     3.5,
     0.10,
     {1, 1, 1, 1},
     8e6,
     1.0e9,
     79.1},
    {nalaformer_t_r35,
     {64, 128, 256, 512},
     {2, 2, 6, 2},
     {1, 2, 4, 8},
     3.5,
     0.10,
     {1, 1, 1, 1},
     15e6,
     2.7e9,
     0},
    {nalaformer_t,
     {64, 128, 256, 512},
     {2, 2, 6, 2},
     {1, 2, 4, 8},
     4,
     0.10,
     {1, 1, 1, 1},
     15e6,
     2.7e9,
     82.6},
    {nalaformer_s,
     {64, 128, 320, 512},
     {3, 5, 9, 3},
     {1, 2, 5, 8},
     3.5,
     0.15,
     {1, 1, 1, 1},
     26e6,
     5.1e9,
     84.3},
    {nalaformer_b,
     {96, 192, 384, 512},
     {4, 6, 12, 6},
     {1, 2, 6, 8},
     4,
     0.40,
     {1, 1, 1e-6, 1e-6},
     52e6,
     12e9,
     85.2},
    {nalaformer_l,
     {96, 192, 448, 640},
     {4, 7, 19, 8},
     {1, 2, 7, 10},
     3.5,
     0.55,
     {1e-6, 1e-6, 1e-6, 1e-6},
     95e6,
     18e9,
     85.7},
}};

}  // namespace

std::span<const ZooRow> zoo() {
  return kZoo;
}

const ZooRow* find_in_zoo(ModelName name) {
  const auto* row = std::ranges::find(kZoo, name, &ZooRow::model);
  return row == kZoo.end() ? nullptr : row;
}

}  // namespace nala::models
