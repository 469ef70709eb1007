// How evenly a row of weights is spread.
#pragma once

#include <span>
#include <vector>

namespace nala::analysis {

/// Positive sequence entropy PSE(x) = -sum_i (x_i/s) log(x_i/s), s = sum_i x_i, in nats: log N for
/// N equal weights, 0 for a single one. Scale-free. Weights at or below 0 count as 0 (rounding can
/// make a product of features slightly negative). NaN where the sum is 0 or not finite.
///
/// Source: NaLaFormer (arXiv 2506.21137), its measure of spikiness.
double positive_sequence_entropy(std::span<const float> weights);

/// The same of every column of a matrix that is seen row by row.
class ColumnEntropies {
 public:
  explicit ColumnEntropies(size_t columns) : sums_(columns), products_(columns) {}
  /// A row of as many weights as there are columns.
  void add_row(std::span<const float> row);
  [[nodiscard]] std::vector<double> entropies() const;

 private:
  std::vector<double> sums_;
  std::vector<double> products_;  // sum of x log x
};

}  // namespace nala::analysis
