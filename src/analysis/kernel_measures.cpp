#include "analysis/kernel_measures.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "analysis/correlation.h"

namespace nala::analysis {
namespace {

constexpr double kNullified = 1e-3;

std::span<const double> values_of(const at::Tensor& x) {
  return {x.const_data_ptr<double>(), static_cast<size_t>(x.numel())};
}

// (n, N) sums over halves and channels.
at::Tensor similarity_of(const ops::Features& features) {
  return at::matmul(at::cat(features.q, -1), at::cat(features.k, -1).t());
}

double mean_rank_correlation(const at::Tensor& similarity, const at::Tensor& inner) {
  if (similarity.size(1) < 2) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  double sum = 0;
  for (int64_t row = 0; row < similarity.size(0); ++row) {
    const double one = spearman(values_of(similarity[row]), values_of(inner[row]));
    sum += std::isfinite(one) ? one : 0;
  }
  return sum / static_cast<double>(similarity.size(0));
}

// Channel by channel: memory grows with n N.
double nullified_channels(const ops::Features& features, const at::Tensor& q, const at::Tensor& k) {
  int64_t counted = 0;
  int64_t nullified = 0;
  for (int64_t c = 0; c < q.size(1); ++c) {
    const auto column = [c](const at::Tensor& x) { return x.select(1, c); };
    at::Tensor part = at::zeros({q.size(0), k.size(0)}, q.options());  // (n, N)
    at::Tensor query_square = at::zeros({q.size(0)}, q.options());
    at::Tensor key_square = at::zeros({k.size(0)}, q.options());
    for (size_t half = 0; half < features.q.size(); ++half) {
      part += column(features.q[half]).outer(column(features.k[half]));
      query_square += column(features.q[half]).square();
      key_square += column(features.k[half]).square();
    }
    const at::Tensor there = column(q).outer(column(k)).ne(0);
    const at::Tensor most = query_square.sqrt().outer(key_square.sqrt()) * kNullified;
    counted += there.sum().item<int64_t>();
    nullified += part.abs().le(most).logical_and(there).sum().item<int64_t>();
  }
  return counted == 0 ? 0 : static_cast<double>(nullified) / static_cast<double>(counted);
}

void measure_rank(const at::Tensor& similarity, KernelMeasures& measures) {
  const at::Tensor rows = similarity / similarity.sum(-1, true);
  const at::Tensor finite = rows.nan_to_num(0, 0, 0);  // an empty row is 0 / 0
  const at::Tensor singular = at::linalg_svdvals(finite);
  const double tolerance = singular[0].item<double>() *
                           static_cast<double>(std::max(rows.size(0), rows.size(1))) *
                           std::numeric_limits<double>::epsilon();
  measures.rank = singular.gt(tolerance).sum().item<int64_t>();
  if (measures.rank > 0) {
    const at::Tensor share = singular / singular.sum();
    measures.effective_rank = std::exp(-share.xlogy(share).sum().item<double>());
  }
}

}  // namespace

KernelMeasures measure_kernel(const Kernel& kernel,
                              const at::Tensor& given_q,
                              const at::Tensor& given_k) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = given_q.to(at::kDouble);
  const at::Tensor k = given_k.to(at::kDouble);
  const at::Tensor inner = at::matmul(q, k.t());  // (n, N)
  const at::Tensor exponential = (inner / std::sqrt(static_cast<double>(q.size(1)))).exp();
  KernelMeasures measures;
  at::Tensor similarity = exponential;  // (n, N)
  if (!kernel.softmax) {
    const ops::Features features = features_of(kernel, q, k);
    similarity = similarity_of(features);
    measures.nullified_channels = nullified_channels(features, q, k);
  }
  measures.information_kept = mean_rank_correlation(similarity, inner);
  measures.correlation_with_exp = pearson(values_of(similarity), values_of(exponential));
  measures.correlation_with_inner = pearson(values_of(similarity), values_of(inner));
  measures.nullified_pairs =
      similarity.eq(0).logical_and(inner.ne(0)).to(at::kDouble).mean().item<double>();
  const double largest = similarity.max().item<double>();
  measures.smallest = largest > 0 ? similarity.min().item<double>() / largest : 0;
  measure_rank(similarity, measures);
  return measures;
}

}  // namespace nala::analysis
