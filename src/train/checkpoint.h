// Checkpoint folders: written so that a valid one is always there, verified when read.
// The format is specified in docs/formats.md.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/named_tensors.h"

namespace nala::train {

/// What a checkpoint folder holds. Tensors are live when writing, fresh CPU copies when read.
struct Checkpoint {
  std::string config_yaml;           ///< the resolved configuration
  std::vector<std::string> classes;  ///< empty where the task has none
  io::NamedTensors model;
  io::NamedTensors ema;        ///< empty: none
  io::NamedTensors optimizer;  ///< empty: weights alone
  std::string state_json;      ///< state.json
};

/// Writes `<root>/step-%08d` (beside, fsync'ed, renamed, read back and verified) and returns it.
/// Throws Error(file) when the disk is full or not writable; whatever was there before stays.
std::filesystem::path write_checkpoint(const std::filesystem::path& root,
                                       int64_t step,
                                       const Checkpoint& checkpoint);

/// Reads and verifies a folder. Throws Error(checkpoint) naming the file and what is wrong.
Checkpoint read_checkpoint(const std::filesystem::path& folder);

/// Why a folder is no valid checkpoint (missing, of another format, truncated, changed), in one
/// line; nothing when it is valid. Reads every byte.
std::optional<std::string> checkpoint_fault(const std::filesystem::path& folder);

/// The step folders below `root`, newest first, valid or not.
std::vector<std::filesystem::path> checkpoint_folders(const std::filesystem::path& root);

/// Name of the folder of a step.
std::string checkpoint_name(int64_t step);

/// Removes all but the `keep` newest step folders up to `current` (just written and verified), what
/// `best` points at, and what a cut-off write or a damaged later checkpoint left behind.
void remove_old_checkpoints(const std::filesystem::path& root, int64_t current, int64_t keep);

}  // namespace nala::train
