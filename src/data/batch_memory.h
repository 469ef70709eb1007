// Memory that one batch leaves to the next.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sample_maker.h"

namespace nala::data {

/// The samples of a batch, one behind the other.
struct BatchTensors {
  at::Tensor images;   ///< (B, H, W, C) float32
  at::Tensor targets;  ///< (B, ...); undefined where labels are all
};

/// Keeps tensors to hand them out again once nobody else holds their memory: memory that is fresh
/// from the system costs a page fault every 4 KiB, which is a fifth of a worker's time. For one
/// thread; the tensors handed out may be released by any.
class BatchMemory {
 public:
  /// Keeps memory that nobody uses for at most `most` batches.
  explicit BatchMemory(int64_t most) : most_(most) {}

  /// Tensors for `count` samples; what they hold is undefined.
  BatchTensors take(const SampleShape& shape, int64_t count);
  /// Gives up all that it keeps.
  void clear() { known_.clear(); }

 private:
  int64_t most_;
  std::vector<BatchTensors> known_;  // handed out, or kept
};

}  // namespace nala::data
