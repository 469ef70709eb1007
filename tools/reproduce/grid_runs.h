// The runs of a grid: training what is missing, and what each of them measured.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "reproduce/grid.h"

namespace nala::tools {

/// One training run.
struct GridRun {
  std::filesystem::path folder;    ///< its output folder
  std::vector<std::string> words;  ///< key=value, all that differs from the recipe
  std::string config_hash;         ///< see config_hash()
};

/// What a run left: the last evaluation's numbers.
struct RunResult {
  std::map<std::string, double> metrics;
  std::string machine;  ///< where it was trained; "not recorded" of runs that were there before
};

/// The run of a cell with a seed: the recipe, then `words`, then the cell's, in <folder>/<cell>/
/// seed-<seed>. Throws Error(config) for keys or values that do not exist.
GridRun run_of(const Grid& grid,
               const Cell& cell,
               int64_t seed,
               const std::vector<std::string>& words,
               const std::filesystem::path& folder);

/// The first 12 digits of the SHA-256 of the resolved configuration as YAML without what says where
/// and how often alone: `output`, `seed`, `data.root` and `data.workers`. Equal for all seeds of a
/// cell, on every machine.
std::string config_hash(const config::Value& configuration);

/// Whether the run has been trained to its end with this very configuration.
bool is_trained(const GridRun& run);

/// Trains it in a process of its own with `options` (--device ...), resuming what is there, and
/// writes <folder>/result.json. Returns the exit status of `train`.
int train_run(const Grid& grid, const GridRun& run, const std::vector<std::string>& options);

/// The metrics of the weights (raw or ema) at the end. Throws Error(data) when there are none.
RunResult result_of(const GridRun& run, const std::string& weights);

}  // namespace nala::tools
