// Correlation of two sequences.
#pragma once

#include <span>
#include <vector>

namespace nala::analysis {

/// Pearson's correlation coefficient, -1 ... 1. Pairs with a value that is not finite are left out;
/// NaN where fewer than two are left or one side is constant.
double pearson(std::span<const double> x, std::span<const double> y);

/// Spearman's: Pearson's of the ranks. Equal values share the mean of their ranks.
double spearman(std::span<const double> x, std::span<const double> y);

/// Ranks from 1 on, equal values sharing the mean of theirs. All values finite.
std::vector<double> average_ranks(std::span<const double> values);

}  // namespace nala::analysis
