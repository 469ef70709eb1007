// The mean of several checkpoints' weights.
#pragma once

#include <vector>

#include "io/named_tensors.h"
#include "train/weights.h"

namespace nala::train {

/// Entry by entry the mean of the parts (uniform soup, Wortsman et al. 2022), computed in float64
/// and rounded to the entry's dtype; entries that are not floating point are the last part's. The
/// names, shapes and dtypes must be the same. `sources` name the parts in messages. Throws
/// Error(checkpoint) naming the entry that differs.
io::NamedTensors mean_of(const std::vector<io::NamedTensors>& parts,
                         const std::vector<std::string>& sources);

}  // namespace nala::train
