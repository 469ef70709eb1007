#include "analysis/row_entropy.h"

#include <torch/torch.h>

#include <algorithm>

#include "analysis/correlation.h"
#include "analysis/entropy.h"

namespace nala::analysis {
namespace {

constexpr int64_t kBlockNumbers = 1 << 22;

std::vector<double> norms_of(const at::Tensor& x) {
  const at::Tensor norms = at::linalg_vector_norm(x.to(at::kDouble), 2, -1).contiguous();  // (N)
  const auto* first = norms.const_data_ptr<double>();
  return {first, first + norms.numel()};
}

}  // namespace

double EntropyStudy::query_correlation() const {
  return spearman(query_norms, row_entropies);
}

double EntropyStudy::key_correlation() const {
  return spearman(key_norms, column_entropies);
}

EntropyStudy study_entropy(const Kernel& kernel,
                           const at::Tensor& q,
                           const at::Tensor& k,
                           const at::Tensor& queries) {
  const AttentionRows rows(kernel, q, k);
  EntropyStudy study{.query_norms = norms_of(q.index_select(0, queries)), .key_norms = norms_of(k)};
  const auto keys = static_cast<size_t>(rows.keys());
  ColumnEntropies columns(keys);
  const int64_t per_block = std::max<int64_t>(1, kBlockNumbers / rows.keys());
  for (int64_t first = 0; first < queries.size(0); first += per_block) {
    const int64_t count = std::min(per_block, queries.size(0) - first);
    const at::Tensor block = rows(queries.narrow(0, first, count)).contiguous();  // (count, N)
    for (int64_t i = 0; i < count; ++i) {
      const std::span<const float> row(block.const_data_ptr<float>() + i * rows.keys(), keys);
      study.row_entropies.push_back(positive_sequence_entropy(row));
      columns.add_row(row);
    }
  }
  study.column_entropies = columns.entropies();
  return study;
}

at::Tensor evenly_spread(int64_t count, int64_t total) {
  const int64_t kept = std::min(count, total);
  return at::arange(kept, at::kLong).mul_(total).div_(std::max<int64_t>(kept, 1), "floor");
}

}  // namespace nala::analysis
