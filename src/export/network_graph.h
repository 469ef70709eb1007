// A model as a graph of plain operations.
#pragma once

#include <optional>
#include <vector>

#include "export/graph.h"
#include "io/named_tensors.h"
#include "models/config.h"
#include "models/task.h"

namespace nala::exporting {

/// What stands before and after the network inside a graph of bytes. Input: (B, H, W, C) uint8.
/// Output: probabilities (B, classes) float32; labels (B, H, W) uint8; or enlarged pictures
/// (B, s H, s W, C) uint8. Nothing is resized or cropped before the network.
struct ByteProcessing {
  std::vector<double> mean;  ///< subtracted from values in 0 ... 1; empty: not normalised
  std::vector<double> deviation;
};

/// The network in evaluation mode, from its state dict. Output: logits (B, classes); label logits
/// (B, classes, ceil(H/4), ceil(W/4)); or the enlarged picture (B, C, s H, s W), not clamped.
///
/// Throws Error(config) for an attention that has no plain form, Error(checkpoint) for a tensor
/// that is missing.
Graph network_graph(const models::ResolvedModel& model,
                    models::Task task,
                    const io::NamedTensors& tensors,
                    const std::optional<ByteProcessing>& bytes = std::nullopt);

}  // namespace nala::exporting
