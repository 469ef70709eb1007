// Which process of how many this is, as the program that started it says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nala::train {

enum class Launcher { none, own, torchrun, slurm, mpirun };

/// The place of this process in a run of several. The default: alone.
struct Launch {
  Launcher launcher = Launcher::none;
  int64_t rank = 0;
  int64_t world = 1;
  int64_t local_rank = 0;             ///< among the processes of this machine: which GPU
  int64_t local_world = 1;            ///< processes of this machine
  std::string address = "127.0.0.1";  ///< where the processes meet: the machine of rank 0
  uint16_t port = 29500;
  bool agent_store = false;      ///< the launcher serves the meeting point itself (torchrun)
  int64_t attempt = 0;           ///< how often the launcher has restarted the processes
  std::optional<int> listening;  ///< descriptor of the meeting point's socket, inherited by rank 0

  [[nodiscard]] bool one_machine() const { return local_world == world; }
};

/// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

/// The process's own environment.
Environment process_environment();

/// Reads what torchrun (and our own --nproc, which speaks its language), Slurm's srun, or mpirun
/// (Open MPI, MPICH) tell their processes; alone when none of them does. MASTER_ADDR and
/// MASTER_PORT count with every launcher. Throws Error(usage) naming a variable that is missing,
/// no number, or out of range.
Launch detect_launch(const Environment& environment = process_environment());

/// The machines of a Slurm node list: "gpu[1-2,07],login" -> gpu1 gpu2 gpu07 login. Throws
/// Error(usage) for a list that is malformed or of more than 65 536 machines.
std::vector<std::string> slurm_hosts(const std::string& list);

}  // namespace nala::train
