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

/// The same for `predict`, with the overrides of the command line applied: keys of `data` and
/// `ops`, which say how the network is run; it stays the checkpoint's. data.class_list names a
/// segmentation network's classes and colours. Throws Error(usage) for other keys, Error(data) for
/// a list of another number of classes.
train::Weights load_for_prediction(const CommandLine& line);

using predict::build_for_inference;
using predict::choose_weights;

}  // namespace nala::tools
