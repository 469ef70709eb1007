// Entropy of attention against the norms of queries and keys.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "analysis/attention_rows.h"

namespace nala::analysis {

/// What was measured of one head.
struct EntropyStudy {
  std::vector<double> query_norms;
  std::vector<double> row_entropies;  ///< PSE of each query's row over the keys; NaN: an empty row
  std::vector<double> key_norms;
  /// PSE of each key's column: how evenly the attention it receives comes from the queries.
  std::vector<double> column_entropies;

  [[nodiscard]] double query_correlation() const;  ///< Spearman of the first two
  [[nodiscard]] double key_correlation() const;    ///< of the last two
};

/// Of the queries of these numbers, (R) int64, over all keys, in blocks of rows: memory grows with
/// N, not with R N. q: (n, d), k: (N, d), float32 on the CPU. Without rotation: this is the measure
/// of the weights that the normaliser sees.
EntropyStudy study_entropy(const Kernel& kernel,
                           const at::Tensor& q,
                           const at::Tensor& k,
                           const at::Tensor& queries);

/// `count` of `total` numbers, evenly spread from 0 on and ascending; all where there are no more.
/// (R) int64.
at::Tensor evenly_spread(int64_t count, int64_t total);

}  // namespace nala::analysis
