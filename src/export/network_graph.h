// A model as a graph of plain operations.
#pragma once

#include "export/graph.h"
#include "io/named_tensors.h"
#include "models/config.h"

namespace nala::exporting {

/// The classifier in evaluation mode, from its state dict; the output is the logits (B, classes).
/// Throws Error(config) for an attention that has no plain form, Error(checkpoint) for a tensor
/// that is missing.
Graph classifier_graph(const models::ResolvedModel& model, const io::NamedTensors& tensors);

}  // namespace nala::exporting
