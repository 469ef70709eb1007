#include "core/spread.h"

#include <cmath>
#include <limits>

#include "core/number_text.h"

namespace nala {

Spread spread_of(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  if (values.empty()) {
    const double none = std::numeric_limits<double>::quiet_NaN();
    return {.mean = none, .deviation = none, .count = 0};
  }
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  return {.mean = mean,
          .deviation = values.size() > 1 ? std::sqrt(squares / (count - 1)) : 0,
          .count = values.size()};
}

std::string spread_text(const Spread& spread, int decimals) {
  if (spread.count == 0) {
    return "–";
  }
  const std::string mean = fixed(spread.mean, decimals);
  return spread.count == 1 ? mean : mean + " ± " + fixed(spread.deviation, decimals);
}

}  // namespace nala
