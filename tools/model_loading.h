// From --checkpoint to a network ready to run.
#pragma once

#include <string>

#include "command_line.h"
#include "predict/loading.h"
#include "train/weights.h"

namespace nala::tools {

/// The weights that --checkpoint names (and, for bare files, the model that `model.*` overrides
/// state). Throws Error(usage | checkpoint | config).
train::Weights load_checkpoint(const CommandLine& line, const std::string& checkpoint);

using predict::build_for_inference;
using predict::choose_weights;

}  // namespace nala::tools
