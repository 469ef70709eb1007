#include "analyze/kernels.h"

#include <torch/torch.h>

#include <algorithm>
#include <span>

#include "analysis/row_entropy.h"
#include "analysis/spike_patterns.h"

namespace nala::tools {
namespace {

using analysis::Kernel;
using analysis::KernelMeasures;
using ops::FeatureMap;

void add(KernelMeasures& sum, const KernelMeasures& one, double share) {
  sum.information_kept += share * one.information_kept;
  sum.correlation_with_exp += share * one.correlation_with_exp;
  sum.correlation_with_inner += share * one.correlation_with_inner;
  sum.nullified_channels += share * one.nullified_channels;
  sum.nullified_pairs += share * one.nullified_pairs;
  sum.smallest += share * one.smallest;
  sum.effective_rank += share * one.effective_rank;
}

KernelResult result_of(const KernelSet& set, const Kernel& kernel) {
  KernelResult result{.set = set.name, .kernel = kernel};
  const double share = 1 / static_cast<double>(set.q.size());
  for (size_t head = 0; head < set.q.size(); ++head) {
    const KernelMeasures one = measure_kernel(kernel, set.q[head], set.k[head]);
    add(result.measures, one, share);
    if (head == 0) {
      result.measures.rank = one.rank;
    }
    result.entropy_correlation += share * study_entropy(kernel, set.q[head], set.k[head],
                                                        at::arange(set.q[head].size(0), at::kLong))
                                              .query_correlation();
  }
  return result;
}

// The parameter's values; the others stay at their defaults.
struct Sweep {
  const char* parameter;
  double Kernel::*member;
  std::vector<double> values;
};

std::vector<Sweep> sweeps() {
  return {{"lambda", &Kernel::lambd, {1, 1.5, 2, 3, 4, 6, 8}},
          {"tau", &Kernel::tau, {0.1, 0.25, 0.5, 1, 2}},
          {"alpha", &Kernel::alpha, {0.5, 1, 2, 5, 10, 20, 50}}};
}

std::vector<SweepPoint> swept(const KernelSet& set) {
  std::vector<SweepPoint> points;
  for (const Sweep& sweep : sweeps()) {
    for (const FeatureMap map : {FeatureMap::relu_split, FeatureMap::cosine}) {
      if (map == FeatureMap::relu_split && sweep.member == &Kernel::alpha) {
        continue;  // which has no angle
      }
      for (const double value : sweep.values) {
        Kernel kernel{.map = map};
        kernel.*sweep.member = value;
        points.push_back({sweep.parameter, value, result_of(set, kernel)});
      }
    }
  }
  return points;
}

}  // namespace

std::vector<KernelSet> made_sets(int64_t width, int64_t tokens, uint64_t seed) {
  std::vector<KernelSet> sets;
  for (const analysis::Pattern pattern :
       {analysis::Pattern::normal, analysis::Pattern::isotropic, analysis::Pattern::spikes}) {
    const analysis::PatternOptions options{.pattern = pattern, .width = width, .seed = seed};
    sets.push_back({.name = std::string(name_of(pattern)),
                    .q = {spike_patterns(options, analysis::Role::query, tokens)},
                    .k = {spike_patterns(options, analysis::Role::key, tokens)}});
  }
  return sets;
}

std::vector<KernelSet> layer_sets(const std::vector<std::vector<analysis::CapturedLayer>>& pictures,
                                  int64_t tokens) {
  std::vector<KernelSet> sets;
  for (size_t index = 0; index < pictures.front().size(); ++index) {
    KernelSet set{.name = pictures.front()[index].name};
    for (const auto& layers : pictures) {
      const analysis::CapturedLayer& layer = layers[index];
      const at::Tensor chosen = analysis::evenly_spread(tokens, layer.q.size(1));  // (n)
      for (int64_t head = 0; head < layer.q.size(0); ++head) {
        set.q.push_back(layer.q[head].index_select(0, chosen));
        set.k.push_back(layer.k[head].index_select(0, chosen));
      }
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

KernelsReport study_kernels(const std::vector<KernelSet>& sets) {
  KernelsReport report;
  for (const KernelSet& set : sets) {
    for (const Kernel& kernel : analysis::studied_kernels()) {
      report.results.push_back(result_of(set, kernel));
    }
  }
  for (const KernelSet& set : std::span(sets).first(std::min<size_t>(2, sets.size()))) {
    for (SweepPoint& point : swept(set)) {
      report.sweeps.push_back(std::move(point));
    }
  }
  return report;
}

}  // namespace nala::tools
