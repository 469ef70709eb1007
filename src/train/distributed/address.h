// Which of this machine's addresses the other processes can reach.
#pragma once

#include <string>

#include "train/distributed/launch.h"

namespace nala::train {

/// The address to take connections from the other processes at: the loopback interface when all are
/// on this machine; else the one that packets to the meeting point leave by, and where that is the
/// loopback interface (rank 0 itself, whose name often means 127.0.1.1), the first other IPv4
/// address. Throws Error(usage) when the meeting point's name cannot be resolved or no address is
/// found.
std::string reachable_address(const Launch& launch);

}  // namespace nala::train
