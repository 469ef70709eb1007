// Mean and spread of repeated measurements.
#pragma once

#include <span>
#include <string>

namespace nala {

struct Spread {
  double mean = 0;
  double deviation = 0;  ///< of the sample (divided by n - 1); 0 for a single value
  size_t count = 0;
};

/// Of no values: mean and deviation are NaN. Thread-safe.
Spread spread_of(std::span<const double> values);

/// `97.20 ± 0.31`; without the deviation where there is one value, "–" where there is none.
std::string spread_text(const Spread& spread, int decimals);

}  // namespace nala
