#include "analysis/entropy.h"

#include <cassert>
#include <cmath>
#include <limits>

namespace nala::analysis {
namespace {

// x log x, the sum of which gives the entropy: -sum (x/s) log(x/s) = log s - (sum x log x) / s.
double times_log(double x) {
  return x > 0 ? x * std::log(x) : 0;
}

double entropy_of(double sum, double products) {
  return sum > 0 && std::isfinite(sum) ? std::log(sum) - products / sum
                                       : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

double positive_sequence_entropy(std::span<const float> weights) {
  double sum = 0;
  double products = 0;
  for (const float weight : weights) {
    // Not a maximum: a NaN has to reach the sum.
    const double x = weight <= 0 ? 0 : weight;
    sum += x;
    products += times_log(x);
  }
  return entropy_of(sum, products);
}

void ColumnEntropies::add_row(std::span<const float> row) {
  assert(row.size() == sums_.size());
  for (size_t i = 0; i < row.size(); ++i) {
    const double x = row[i] <= 0 ? 0 : row[i];
    sums_[i] += x;
    products_[i] += times_log(x);
  }
}

std::vector<double> ColumnEntropies::entropies() const {
  std::vector<double> result(sums_.size());
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = entropy_of(sums_[i], products_[i]);
  }
  return result;
}

}  // namespace nala::analysis
