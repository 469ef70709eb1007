// Inputs for the operator tests: reproducible without any generator of LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/implementations.h"

namespace nala::ops {

/// Shape of q, k, v, and the height of the token grid (0: no rotation).
struct Shape {
  int64_t batch = 2;
  int64_t heads = 2;
  int64_t tokens = 12;
  int64_t d = 8;
  int64_t height = 3;
};

/// Values uniform in (-1.7, 1.7), a function of `seed`, in float64.
at::Tensor drawn(at::IntArrayRef shape, uint64_t seed);

/// A problem in float64 with drawn q, k, v and the rotation of the grid.
Problem drawn_problem(const Shape& shape, FeatureMap map, uint64_t seed = 1);

/// All feature maps.
std::vector<FeatureMap> all_maps();

/// Linear attention straight from its definition, token by token in double arithmetic of plain C++.
at::Tensor by_definition(const Problem& problem);

}  // namespace nala::ops
