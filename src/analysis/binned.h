// A curve through a scatter.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace nala::analysis {

/// The points of one interval of x.
struct Bin {
  double x = 0;                             ///< the median of x
  double lower = 0, median = 0, upper = 0;  ///< quartiles of y
  int64_t points = 0;
};

/// At most `bins` (>= 1) intervals that hold about equally many points each, x ascending. Points
/// with a value that is not finite are left out. Quartiles as numpy's default (linear).
std::vector<Bin> binned(std::span<const double> x, std::span<const double> y, int64_t bins);

}  // namespace nala::analysis
