#include "analyze/entropy.h"

#include <torch/torch.h>

#include <iterator>

namespace nala::tools {
namespace {

using analysis::EntropyStudy;
using analysis::Kernel;

bool same_kernel(const Kernel& a, const Kernel& b) {
  return a.softmax == b.softmax && a.name() == b.name();
}

// The kernels to look at in a layer: its own first, with its own parameters.
std::vector<Kernel> kernels_of(const analysis::CapturedLayer& layer) {
  std::vector<Kernel> kernels{layer.kernel};
  for (const Kernel& kernel : analysis::studied_kernels()) {
    if (!same_kernel(kernel, layer.kernel)) {
      kernels.push_back(kernel);
    }
  }
  return kernels;
}

void append(std::vector<double>& all, std::vector<double>&& more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void append(EntropyStudy& all, EntropyStudy&& more) {
  append(all.query_norms, std::move(more.query_norms));
  append(all.row_entropies, std::move(more.row_entropies));
  append(all.key_norms, std::move(more.key_norms));
  append(all.column_entropies, std::move(more.column_entropies));
}

}  // namespace

std::vector<EntropyResult> study_made(const MadeOptions& options) {
  std::vector<EntropyResult> results;
  for (const analysis::Pattern pattern :
       {analysis::Pattern::spikes, analysis::Pattern::isotropic}) {
    analysis::PatternOptions drawn = options.pattern;
    drawn.pattern = pattern;
    const at::Tensor q =
        analysis::spike_patterns(drawn, analysis::Role::query, options.queries);  // (n, d)
    const at::Tensor k = analysis::spike_patterns(drawn, analysis::Role::key, options.keys);
    for (const Kernel& kernel : analysis::studied_kernels()) {
      results.push_back(
          {.source = std::string(name_of(pattern)),
           .kernel = kernel,
           .study = study_entropy(kernel, q, k, at::arange(options.queries, at::kLong))});
    }
  }
  return results;
}

std::vector<EntropyResult> study_layers(
    const std::vector<std::vector<analysis::CapturedLayer>>& pictures, int64_t rows) {
  std::vector<EntropyResult> results;
  for (size_t index = 0; index < pictures.front().size(); ++index) {
    const analysis::CapturedLayer& first = pictures.front()[index];
    for (int64_t head = 0; head < first.q.size(0); ++head) {
      for (const Kernel& kernel : kernels_of(first)) {
        EntropyResult result{.source = first.name,
                             .head = head,
                             .kernel = kernel,
                             .own = same_kernel(kernel, first.kernel)};
        for (const auto& layers : pictures) {
          const analysis::CapturedLayer& layer = layers[index];
          append(result.study, study_entropy(kernel, layer.q[head], layer.k[head],
                                             analysis::evenly_spread(rows, layer.q.size(1))));
        }
        results.push_back(std::move(result));
      }
    }
  }
  return results;
}

}  // namespace nala::tools
