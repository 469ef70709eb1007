#include "train/run_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "train/checkpoint.h"

namespace nala::train {
namespace {

namespace fs = std::filesystem;

// May differ between a run and its resumption.
constexpr std::array<std::string_view, 12> kFreeKeys{"output",
                                                     "data.root",
                                                     "data.workers",
                                                     "data.on_bad_file",
                                                     "train.log_every",
                                                     "train.grad_checkpointing",
                                                     "ops.implementation",
                                                     "checkpoint.every_steps",
                                                     "checkpoint.keep",
                                                     "distributed.bucket_mb",
                                                     "distributed.timeout_seconds",
                                                     "init.checkpoint"};

}  // namespace

RunFolder open_run_folder(const fs::path& root) {
  std::error_code code;
  fs::create_directories(root, code);
  if (code || !fs::is_directory(root)) {
    throw Error(ErrorKind::file, root.string() + ": cannot make the output folder: " +
                                     (code ? code.message() : "a file of this name is there"));
  }
  if (::access(root.c_str(), W_OK | X_OK) != 0) {
    throw Error(ErrorKind::file, root.string() + ": the output folder is not writable");
  }
  return {root};
}

void set_aside_previous_run(const RunFolder& folder, Log& log) {
  if (checkpoint_folders(folder.checkpoints()).empty()) {
    return;
  }
  int number = 1;
  fs::path aside;
  do {
    aside = folder.root / ("previous-" + std::to_string(number++));
  } while (fs::exists(aside));
  fs::create_directory(aside);
  for (const fs::path& path :
       {folder.checkpoints(), folder.metrics(), folder.report(), folder.config()}) {
    if (fs::exists(path)) {
      fs::rename(path, aside / path.filename());
    }
  }
  log.warning("starting anew; the earlier run of this folder is now in " + aside.string());
}

std::optional<fs::path> newest_valid_checkpoint(const fs::path& checkpoints, Log& log) {
  for (const fs::path& folder : checkpoint_folders(checkpoints)) {
    const auto fault = checkpoint_fault(folder);
    if (!fault) {
      return folder;
    }
    log.warning("NOT USABLE, falling back to the checkpoint before it: " + *fault);
  }
  return std::nullopt;
}

std::vector<std::string> recipe_differences(const config::Value& saved,
                                            const config::Value& current) {
  const auto before = config::flatten(saved);
  const auto after = config::flatten(current);
  const std::map<std::string, std::string> old_values(before.begin(), before.end());
  std::vector<std::string> differences;
  for (const auto& [key, value] : after) {
    const auto old = old_values.find(key);
    const bool free = std::find(kFreeKeys.begin(), kFreeKeys.end(), key) != kFreeKeys.end();
    if (!free && old != old_values.end() && old->second != value) {
      differences.push_back(key + ": " + old->second + " -> " + value);
    }
  }
  return differences;
}

}  // namespace nala::train
