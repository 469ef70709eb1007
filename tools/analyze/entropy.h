// analyze entropy: entropy of attention against the norms of queries and keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/layer_capture.h"
#include "analysis/row_entropy.h"
#include "analysis/spike_patterns.h"

namespace nala::tools {

/// One kernel on one head, or on one made pattern.
struct EntropyResult {
  std::string source;  ///< a pattern's or a layer's name
  int64_t head = 0;
  analysis::Kernel kernel;
  bool own = false;  ///< the kernel that the layer itself uses
  analysis::EntropyStudy study;
};

struct MadeOptions {
  analysis::PatternOptions pattern;  ///< its `pattern` is each of them in turn
  int64_t queries = 2048;
  int64_t keys = 1024;
};

/// Every studied kernel on every made pattern.
std::vector<EntropyResult> study_made(const MadeOptions& options);

/// Every studied kernel on every head of every layer, from `rows` queries of each picture; the
/// points of the pictures are put together. `pictures`: the layers of each, of one network.
std::vector<EntropyResult> study_layers(
    const std::vector<std::vector<analysis::CapturedLayer>>& pictures, int64_t rows);

/// Writes entropy.html, entropy.csv, entropy_curves.csv and entropy.json into a folder.
struct EntropyReport {
  std::vector<EntropyResult> made;
  std::vector<EntropyResult> layers;  ///< none without a checkpoint
  std::string network;                ///< what the layers are of
};
void write_report(const EntropyReport& report, const std::filesystem::path& folder);

/// Both correlations per kernel (made data), per layer and kernel the mean over heads (layers).
void print_report(const EntropyReport& report);
nlohmann::ordered_json json_of(const EntropyReport& report);

}  // namespace nala::tools
