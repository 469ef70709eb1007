// How a measured quantity grows with a size.
#pragma once

#include <span>

namespace nala {

/// The power of `sizes` that `values` grow with: the slope of log(value) over log(size) by least
/// squares. Equally many of both, all above 0; NaN for fewer than two different sizes.
double growth_exponent(std::span<const double> sizes, std::span<const double> values);

}  // namespace nala
