// The output folder of a run: what is in it, and whether the recipe may go on there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/log.h"

namespace nala::train {

/// Paths below an output folder (interface: Files).
struct RunFolder {
  std::filesystem::path root;

  [[nodiscard]] std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  [[nodiscard]] std::filesystem::path metrics() const { return root / "metrics.jsonl"; }
  [[nodiscard]] std::filesystem::path report() const { return root / "report.html"; }
  [[nodiscard]] std::filesystem::path log() const { return root / "train.log"; }
  [[nodiscard]] std::filesystem::path config() const { return root / "config.yaml"; }
};

/// Makes the folder. Throws Error(file) when it cannot be made or written to.
RunFolder open_run_folder(const std::filesystem::path& root);

/// Moves an earlier run's checkpoints, metrics and report into `<root>/previous-<n>`; nothing to do
/// when there is none.
void set_aside_previous_run(const RunFolder& folder, Log& log);

/// The newest checkpoint folder that verifies; every newer one that does not is reported loudly.
std::optional<std::filesystem::path> newest_valid_checkpoint(
    const std::filesystem::path& checkpoints, Log& log);

/// The keys whose change would make a resumed run another run, as `key: old -> new`. Keys that only
/// say where things are or how often they are reported may change.
std::vector<std::string> recipe_differences(const config::Value& saved,
                                            const config::Value& current);

}  // namespace nala::train
