// Many pictures through one network: reading, running and writing overlap.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace nala::predict {

/// What is done with each of many pictures. The functions are called by several threads at once,
/// never by two for one picture.
class StreamTask {
 public:
  /// A picture on its way.
  struct Item {
    virtual ~Item() = default;
  };

  virtual ~StreamTask() = default;

  /// Reads and prepares a picture. Throws Error for one that cannot be used.
  [[nodiscard]] virtual std::unique_ptr<Item> read(int64_t index) const = 0;
  /// Runs the network on a batch, which is not empty. Gradients are off.
  virtual void run(std::span<Item* const> batch) const = 0;
  /// Makes of a picture's result what was asked for.
  virtual void write(Item& item) const = 0;
};

/// How the work is shared out.
struct StreamPlan {
  int64_t batch = 1;        ///< pictures per forward, at most
  int forwards = 1;         ///< batches run at once, by as many threads
  int forward_threads = 1;  ///< threads of the arithmetic of each
  int helpers = 0;          ///< further threads, which read and write only
};

/// `side_by_side`: forwards are small enough for one per thread, which wastes nothing on waiting
/// for each other; else one forward at a time uses all `threads` (at least 1).
StreamPlan plan_stream(int64_t pictures, int64_t batch, bool side_by_side, int threads);

/// Seconds: of the clock on the wall, and of processor cores per kind of work. The forward's are
/// those of the thread that called it, times forward_threads.
struct StreamTimes {
  double wall = 0;
  double read = 0;
  double run = 0;
  double write = 0;

  /// The least time in which so many cores could have done this work, as part of the time taken.
  [[nodiscard]] double share_of_possible(int cores) const {
    return wall > 0 ? (read + run + write) / (wall * cores) : 0;
  }
};

/// Called in the order of the pictures, on the thread that called stream(): the finished picture,
/// or null and why it could not be read.
using OnItem =
    std::function<void(int64_t index, const StreamTask::Item* item, const std::string& problem)>;

/// Runs `count` pictures through a task. Batches are consecutive pictures, spread evenly; how many
/// are in flight is bounded, so that memory does not grow with `count`. What run(), write() and
/// on_item() throw ends it, and is rethrown once the threads have stopped. Changes LibTorch's
/// number of threads meanwhile.
StreamTimes stream(const StreamTask& task,
                   int64_t count,
                   const StreamPlan& plan,
                   const OnItem& on_item);

}  // namespace nala::predict
