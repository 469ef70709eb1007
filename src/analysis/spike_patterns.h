// Made queries and keys whose directions know nothing of their norms.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace nala::analysis {

/// How directions are drawn.
enum class Pattern {
  spikes,     ///< a few channels of +-1 over a floor of 0.1 normal: what softmax attention meets
  isotropic,  ///< uniform on the sphere: no channel stands out
  normal      ///< standard normal channels: norms near sqrt(width), whatever is stated below
};
std::string_view name_of(Pattern pattern);

struct PatternOptions {
  Pattern pattern = Pattern::spikes;
  int64_t width = 64;           ///< d
  int64_t spikes = 4;           ///< spiked channels of a vector, 1 ... width
  double smallest_norm = 0.05;  ///< norms are log-uniform between these, independent of directions
  double largest_norm = 3;
  uint64_t seed = 0;
};

/// Which of the two a vector is; they are independent of each other.
enum class Role : uint64_t { query = 0, key = 1 };

/// (count, width) float32; row i is a pure function of (options, role, i).
at::Tensor spike_patterns(const PatternOptions& options, Role role, int64_t count);

}  // namespace nala::analysis
