// Making sure that all processes of a run mean the same run.
#pragma once

#include <string>
#include <vector>

#include "io/named_tensors.h"
#include "train/distributed/group.h"

namespace nala::train {

/// Gives every rank the values of rank 0's tensors, in place, and returns the names of those that
/// had other values on this rank (none on rank 0). `what` names the tensors in messages.
///
/// Throws Error(checkpoint) naming the first tensor whose name, shape or dtype differs from rank
/// 0's, and LostPeers.
std::vector<std::string> share(const Group& group,
                               const io::NamedTensors& tensors,
                               const std::string& what);

/// Throws Error(config) listing the lines in which this rank's `text` differs from rank 0's, and
/// LostPeers.
void require_same(const Group& group, const std::string& text, const std::string& what);

}  // namespace nala::train
