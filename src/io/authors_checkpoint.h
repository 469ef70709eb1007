// Checkpoints of the authors' Python code (`.pth`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "io/named_tensors.h"

namespace nala::io {

class TorchFile;

/// What such a file holds, as far as it is of use. Optimizer and scheduler state are left unread.
struct AuthorsCheckpoint {
  NamedTensors model;                            ///< in the file's order
  NamedTensors model_ema;                        ///< empty if the file has none
  std::optional<int64_t> epoch;                  ///< the last epoch done, from 0
  std::optional<double> max_accuracy;            ///< best top-1, per cent
  std::map<std::string, std::string> arguments;  ///< the training script's, as text; None is "null"
};

/// Reads a file that torch.save wrote of {model, model_ema, epoch, max_accuracy, args, ...}, of
/// {state_dict, ...}, or of a bare state dict. Nothing in the file is executed. Tensors keep the
/// file's strides and may share memory with each other as they did when saved. Throws
/// Error(checkpoint) naming file and key, Error(file) when it cannot be read.
AuthorsCheckpoint read_authors_checkpoint(const std::filesystem::path& path);

/// The same of an opened file.
AuthorsCheckpoint authors_checkpoint_of(TorchFile& file);

}  // namespace nala::io
