// The published sizes.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "models/config.h"

namespace nala::models {

/// One size: what the authors' released code builds, and what their paper's table says of it.
struct ZooRow {
  ModelName model;
  std::array<int64_t, kStages> embed_dims;
  std::array<int64_t, kStages> depths;
  std::array<int64_t, kStages> heads;
  double mlp_ratio;
  double drop_path;
  std::array<double, kStages> layer_scale;
  double published_parameters;     ///< 0: not published
  double published_multiply_adds;  ///< at 224x224; 0: not published
  double published_top1;           ///< ImageNet-1K, percent; 0: not published
};

/// Every size, smallest first. Stages are linear, linear, softmax, softmax; the projection is 1024.
///
/// Source: paper, table of variants, and the released code, which differs from it: XT measures 6.14
/// M parameters / 0.652 G multiply-adds against the published 8 M / 1.0 G (cause unknown), T 15.9 M
/// / 2.875 G against 15 M / 2.7 G, which mlp ratio 3.5 gives (`nalaformer_t_r35`).
std::span<const ZooRow> zoo();

/// The row of a size; nullptr for `custom`.
const ZooRow* find_in_zoo(ModelName name);

}  // namespace nala::models
