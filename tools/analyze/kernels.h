// analyze kernels: what each kernel keeps of inner products.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/kernel_measures.h"
#include "analysis/layer_capture.h"

namespace nala::tools {

/// Queries and keys to measure on: (n, d) and (N, d) per head.
struct KernelSet {
  std::string name;
  std::vector<at::Tensor> q, k;
};

/// One kernel on one set: means over its heads.
struct KernelResult {
  std::string set;
  analysis::Kernel kernel;
  analysis::KernelMeasures measures;  ///< `rank` of the first head
  double entropy_correlation = 0;     ///< Spearman's of a row's entropy and the query's norm
};

/// One value of a swept parameter.
struct SweepPoint {
  std::string parameter;  ///< lambda, tau or alpha
  double value = 0;
  KernelResult result;
};

struct KernelsReport {
  std::vector<KernelResult> results;  ///< every studied kernel on every set
  std::vector<SweepPoint> sweeps;     ///< on the first two sets: relu_split and cosine
};

/// The made patterns, normal first, of `width` channels, `tokens` queries and as many keys each.
std::vector<KernelSet> made_sets(int64_t width, int64_t tokens, uint64_t seed);
/// One set per layer with the heads of all pictures, at most `tokens` evenly spread queries and
/// keys of each.
std::vector<KernelSet> layer_sets(const std::vector<std::vector<analysis::CapturedLayer>>& pictures,
                                  int64_t tokens);

KernelsReport study_kernels(const std::vector<KernelSet>& sets);

/// Writes kernels.html, kernels.csv, kernels_sweeps.csv and kernels.json into a folder.
void write_report(const KernelsReport& report, const std::filesystem::path& folder);
void print_report(const KernelsReport& report);
nlohmann::ordered_json json_of(const KernelsReport& report);

}  // namespace nala::tools
