// Several processes of this program on this machine, without another launcher (--nproc).
#pragma once

#include <cstdint>

#include "core/log.h"

namespace nala::train {

/// Runs `count` copies of this process's command line as ranks 0 ... count - 1 and waits for them.
///
/// SIGTERM, SIGUSR1 and SIGINT are passed on. When a copy fails, the others get SIGTERM and, 3
/// seconds later, SIGKILL. Copies end with this process. Returns the exit status: that of the first
/// copy that failed (128 + signal for one that died of a signal), 75 when all stopped and saved, 0
/// when all are done. Call before other threads are started. Throws Error(file) when the system
/// refuses a process or a socket.
int run_copies(int64_t count, Log& log);

}  // namespace nala::train
