#include "analysis/binned.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace nala::analysis {
namespace {

// Of ascending values, at least one.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Bin bin_of(std::span<const std::pair<double, double>> points) {
  std::vector<double> x;
  std::vector<double> y;
  for (const auto& point : points) {
    x.push_back(point.first);
    y.push_back(point.second);
  }
  std::sort(y.begin(), y.end());
  return {.x = quantile(x, 0.5),
          .lower = quantile(y, 0.25),
          .median = quantile(y, 0.5),
          .upper = quantile(y, 0.75),
          .points = std::ssize(points)};
}

}  // namespace

std::vector<Bin> binned(std::span<const double> x, std::span<const double> y, int64_t bins) {
  assert(x.size() == y.size() && bins >= 1);
  std::vector<std::pair<double, double>> points;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) {
      points.emplace_back(x[i], y[i]);
    }
  }
  std::sort(points.begin(), points.end());
  const auto count = static_cast<int64_t>(points.size());
  const std::span<const std::pair<double, double>> all(points);
  std::vector<Bin> result;
  for (int64_t i = 0; i < bins; ++i) {
    const int64_t first = i * count / bins;
    const int64_t last = (i + 1) * count / bins;
    if (last > first) {
      result.push_back(
          bin_of(all.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first))));
    }
  }
  return result;
}

}  // namespace nala::analysis
