// A model as a graph of plain operations.
#pragma once

#include "export/graph.h"
#include "io/named_tensors.h"
#include "models/config.h"
#include "models/task.h"

namespace nala::exporting {

/// The network in evaluation mode, from its state dict. Output: logits (B, classes); label logits
/// (B, classes, ceil(H/4), ceil(W/4)); or the enlarged picture (B, C, s H, s W), not clamped.
///
/// Throws Error(config) for an attention that has no plain form, Error(usage) for a head without
/// one, Error(checkpoint) for a tensor that is missing.
Graph network_graph(const models::ResolvedModel& model,
                    models::Task task,
                    const io::NamedTensors& tensors);

}  // namespace nala::exporting
