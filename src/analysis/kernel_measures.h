// What a kernel keeps of the inner products it is made from.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "analysis/attention_rows.h"

namespace nala::analysis {

/// Of one head's queries (n, d) and keys (N, d). s_nm is the kernel's similarity:
/// phi(q_n).phi(k_m), or exp(q_n.k_m / sqrt(d)) for softmax.
struct KernelMeasures {
  /// "Information kept": for every query, Spearman's correlation over the keys between s_nm and
  /// q_n.k_m (equal values share their rank); the mean over queries. 1: the similarity orders the
  /// keys as the inner product does, so nothing that a monotone function of it could tell is lost;
  /// 0: the order is unrelated. Scale-free per query, as attention is. A query whose similarities
  /// are all equal counts as 0; NaN for a single key.
  double information_kept = 0;
  double correlation_with_exp = 0;    ///< Pearson's over all pairs, with exp(q.k / sqrt(d))
  double correlation_with_inner = 0;  ///< Pearson's over all pairs, with q.k
  /// Share of the triples (query, key, channel) with q_c k_c != 0 whose part in the similarity,
  /// phi_c(q).phi_c(k), is at most a thousandth of |phi_c(q)| |phi_c(k)|. 0 for softmax, whose
  /// similarity is no sum over channels.
  double nullified_channels = 0;
  double nullified_pairs = 0;  ///< share of pairs with similarity 0 although q.k is not 0
  double smallest = 0;         ///< the smallest similarity over the largest: below 0 is negative
  int64_t rank = 0;  ///< of the attention matrix (rows sum to 1), numpy's tolerance, float64
  /// exp of the entropy of its singular values over their sum (Roy, Vetterli 2007).
  double effective_rank = 0;
};

/// Correlations of what is constant, as of a single pair, are NaN. Time and memory grow with n N d:
/// give samples of a few hundred.
KernelMeasures measure_kernel(const Kernel& kernel, const at::Tensor& q, const at::Tensor& k);

}  // namespace nala::analysis
