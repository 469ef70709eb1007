#include "shim/launch.h"

#include <atomic>
#include <mutex>
#include <thread>

namespace shim {
namespace {

constexpr unsigned kMostThreads = 1024;

void check(const LaunchShape& shape) {
  const bool possible = shape.blocks > 0 && shape.threads > 0 && shape.threads <= kMostThreads &&
                        shape.threads % kWarpSize == 0 &&
                        shape.shared_bytes <= run_options().shared_limit;
  if (!possible) {
    throw Error("launch refused: " + std::to_string(shape.blocks) + " blocks of " +
                std::to_string(shape.threads) + " threads, " + std::to_string(shape.shared_bytes) +
                " bytes of shared memory");
  }
}

}  // namespace

RunOptions& run_options() {
  static RunOptions options;
  return options;
}

void run_blocks(const LaunchShape& shape, Block::Body body, void* arguments) {
  check(shape);
  const RunOptions options = run_options();
  std::atomic<unsigned> next{0};
  std::exception_ptr first;
  std::mutex mutex;
  const auto work = [&] {
    static thread_local Block block;
    current_block() = &block;
    try {
      for (unsigned i = next.fetch_add(1); i < shape.blocks; i = next.fetch_add(1)) {
        block.run(shape, i, body, arguments, options);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      next = shape.blocks;
      first = first ? first : std::current_exception();
    }
    current_block() = nullptr;
  };
  if (options.workers <= 1) {
    work();
  } else {
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < options.workers; ++i) {
      workers.emplace_back(work);
    }
  }
  if (first) {
    std::rethrow_exception(first);
  }
}

}  // namespace shim
