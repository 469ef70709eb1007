#include "processes.h"

#include <exception>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <vector>

namespace nala::train {

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
