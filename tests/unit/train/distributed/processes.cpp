#include "processes.h"

#include <cstdlib>
#include <exception>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <vector>

namespace nala::train {
namespace {

// c10d's flight recorder is one for the process and takes new groups into a map without a lock:
// ranks that are threads corrupt it, and then crash or never end (pytorch/pytorch#179313).
[[maybe_unused]] const int recorder_off = ::setenv("TORCH_FR_BUFFER_SIZE", "0", 1);

}  // namespace

void as_ranks(int64_t world,
              const std::function<void(const Group&)>& body,
              std::chrono::milliseconds timeout) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::exception_ptr> problems(static_cast<size_t>(world));
  std::vector<std::thread> ranks;
  for (int64_t rank = 0; rank < world; ++rank) {
    ranks.emplace_back([&, rank] {
      try {
        const Launch launch{.rank = rank, .world = world, .local_world = world};
        const Group group(store, launch, {.timeout = timeout});
        body(group);
      } catch (...) {
        problems[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& rank : ranks) {
    rank.join();
  }
  for (const std::exception_ptr& problem : problems) {
    if (problem) {
      std::rethrow_exception(problem);
    }
  }
}

}  // namespace nala::train
