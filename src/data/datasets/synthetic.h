// Pictures drawn by the program.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// Stripes whose direction tells the class (class c of n: c / n of half a turn), with random phase,
/// colours and noise. Drawn from the key (seed, split, index) with integer arithmetic. Picture i is
/// of class i modulo the number of classes.
std::shared_ptr<const Dataset> open_synthetic(const DataConfig& config, Split split);

}  // namespace nala::data
