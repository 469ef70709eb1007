// Where the time of a step goes, by kind of operator, and what the machine's roofs allow.
#pragma once

#include <array>
#include <functional>

#include "bench/operator_kinds.h"
#include "bench/timing.h"

namespace nala::tools {

/// The name under which the optimizer's update records itself while it is profiled.
inline constexpr const char* kOptimizerScope = "bench::optimizer";

/// What was measured of the machine for the two dtypes of arithmetic.
struct Roofs {
  double copy_gb_per_s = 0;
  double float32_gflop_per_s = 0;
  double half_gflop_per_s = 0;  ///< of the step's half dtype; float32's where it has none
};

struct KindTotals {
  int64_t calls = 0;  ///< that did something
  double ms = 0;      ///< of these operators alone, without what they call
  double gflop = 0;
  double gigabytes = 0;
  double arithmetic_ms = 0;  ///< what the arithmetic would take at the roof,
  double memory_ms = 0;      ///< and the traffic
  double floor_ms = 0;       ///< the larger of both, call by call
};

struct StepProfile {
  double ms = 0;  ///< of the step, which the kinds add up to
  std::array<KindTotals, kOperatorKinds> kinds;
};

/// Runs `work` again and again on the CPU, listening to the operators of this thread and of the
/// backward pass, and gives the step of the median time. The time that listening takes is left out.
/// What runs outside of operators counts as `other`.
StepProfile profile_step(const std::function<void()>& work,
                         const Roofs& roofs,
                         const Repetition& repetition);

}  // namespace nala::tools
