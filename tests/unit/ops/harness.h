// One problem, run by an implementation and by plain ATen, both held to float64.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "ops/implementations.h"

namespace nala::ops {

enum class MemoryOrder {
  contiguous,      ///< (B, h, N, d)
  packed,          ///< slices of (B, N, 3, h, d)
  expanded,        ///< heads, batch and tokens that repeat one another's memory
  channels_apart,  ///< (B, h, d, N)
};
enum class Contents {
  ordinary,
  zero_rows,  ///< whole rows and single channels of q, k, v that are 0
  near_eps,   ///< keys so small that the normaliser is of the size of eps, and small queries
};

struct HarnessCase {
  int64_t tokens = 49;
  int64_t d = 32;
  at::ScalarType dtype = at::kFloat;
  MemoryOrder order = MemoryOrder::contiguous;
  Contents contents = Contents::ordinary;
  FeatureMap map = FeatureMap::relu_split;
  bool norm_aware = true;
  double lambd = 3;
};
std::string title(const HarnessCase& c);

/// A problem of 1 picture and 2 heads with rotation (unless tokens is 5), and dy.
struct HarnessProblem {
  Problem problem;
  at::Tensor dy;
};
HarnessProblem harness_problem(const HarnessCase& c);

/// y and the gradients, in the dtype of the problem, on the CPU.
struct Outcome {
  at::Tensor y, dq, dk, dv;
};
Outcome outcome_of(const Implementation& row, const HarnessProblem& problem, at::Device device);
/// By the reference in float64 from the same values.
Outcome judged(const HarnessProblem& problem);
const Implementation& reference_row();

/// The devices at hand, the CPU first.
std::vector<at::Device> devices();

/// "" when every tensor of `got` is at most twice as far from `judge` as `eager` is, plus a floor
/// of a few roundings, by the largest and by the root mean square difference; else which is off and
/// how.
std::string excess(const HarnessProblem& problem,
                   const Outcome& got,
                   const Outcome& eager,
                   const Outcome& judge);

}  // namespace nala::ops
