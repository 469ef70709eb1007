#include "analysis/correlation.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace nala::analysis {
namespace {

struct Pairs {
  std::vector<double> x, y;
};

Pairs finite_pairs(std::span<const double> x, std::span<const double> y) {
  assert(x.size() == y.size());
  Pairs pairs;
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i]) && std::isfinite(y[i])) {
      pairs.x.push_back(x[i]);
      pairs.y.push_back(y[i]);
    }
  }
  return pairs;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double pearson_of(const Pairs& pairs) {
  if (pairs.x.size() < 2) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double mean_x = mean_of(pairs.x);
  const double mean_y = mean_of(pairs.y);
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (size_t i = 0; i < pairs.x.size(); ++i) {
    const double a = pairs.x[i] - mean_x;
    const double b = pairs.y[i] - mean_y;
    xx += a * a;
    yy += b * b;
    xy += a * b;
  }
  const double scale = std::sqrt(xx) * std::sqrt(yy);
  return scale > 0 ? std::clamp(xy / scale, -1.0, 1.0) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

double pearson(std::span<const double> x, std::span<const double> y) {
  return pearson_of(finite_pairs(x, y));
}

double spearman(std::span<const double> x, std::span<const double> y) {
  const Pairs pairs = finite_pairs(x, y);
  return pearson_of({average_ranks(pairs.x), average_ranks(pairs.y)});
}

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t last = first + 1;
    while (last < order.size() && values[order[last]] == values[order[first]]) {
      ++last;
    }
    // Ranks first + 1 ... last.
    const double shared = static_cast<double>(first + 1 + last) / 2;
    for (size_t i = first; i < last; ++i) {
      ranks[order[i]] = shared;
    }
    first = last;
  }
  return ranks;
}

}  // namespace nala::analysis
