// What a training forward needs to know besides the pictures.
#pragma once

#include <cstdint>
#include <span>

namespace nala::models {

/// What makes the randomness of one training forward: drop path of sample i is a pure function of
/// (seed, step, positions[i], block, branch). Not looked at in evaluation mode or at rate 0.
struct ForwardContext {
  uint64_t seed = 0;
  uint64_t step = 0;
  std::span<const int64_t> positions;  ///< one per picture of the batch
  /// Gradient checkpointing: stages (bit i for stage i) that keep their input alone and run once
  /// more in the backward pass. The positions live until then.
  uint32_t recomputed_stages = 0;
};

}  // namespace nala::models
