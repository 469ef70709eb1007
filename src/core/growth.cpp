#include "core/growth.h"

#include <cmath>
#include <limits>

namespace nala {

double growth_exponent(std::span<const double> sizes, std::span<const double> values) {
  const auto count = static_cast<double>(sizes.size());
  double mean_x = 0;
  double mean_y = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    mean_x += std::log(sizes[i]) / count;
    mean_y += std::log(values[i]) / count;
  }
  double covariance = 0;
  double variance = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double x = std::log(sizes[i]) - mean_x;
    covariance += x * (std::log(values[i]) - mean_y);
    variance += x * x;
  }
  constexpr double kSameSize = 1e-12;
  return variance > kSameSize ? covariance / variance : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace nala
