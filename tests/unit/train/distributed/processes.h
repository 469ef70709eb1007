// Several ranks in one process, a thread each: c10d does not mind.
#pragma once

#include <cstdint>
#include <functional>

#include "train/distributed/group.h"

namespace nala::train {

/// Runs `body` as every rank of a Gloo group of `world`, and rethrows the first rank's exception
/// once all have ended.
void as_ranks(int64_t world,
              const std::function<void(const Group&)>& body,
              std::chrono::milliseconds timeout = std::chrono::seconds(20));

}  // namespace nala::train
