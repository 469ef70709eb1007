// The feature maps in plain double arithmetic, from their definition: what the tests expect.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "ops/feature_maps.h"

namespace nala::ops {

struct DoubleRule {
  FeatureMap map;
  bool norm_aware;
  double lambd, tau, alpha;
};

inline double positive_power(double base, double exponent) {
  return base > 0 ? std::pow(base, exponent) : 0;
}

/// Features of one query (`is_query`) or key of d channels; 2d values for relu_split and cosine.
inline std::vector<double> double_features(const DoubleRule& rule,
                                           const double* x,
                                           size_t d,
                                           bool is_query) {
  double square = 0;
  double positive = 0;
  double cube = 0;
  for (size_t i = 0; i < d; ++i) {
    square += x[i] * x[i];
    positive += std::pow(std::max(x[i], 0.0), 2);
    cube += std::pow(std::max(x[i], 0.0), 6);
  }
  const double norm = std::sqrt(square);
  const double exponent =
      is_query && rule.norm_aware ? rule.lambd * (rule.tau + std::tanh(norm)) : rule.lambd;
  std::vector<double> phi(static_cast<size_t>(halves_of(rule.map)) * d);
  for (size_t i = 0; i < d; ++i) {
    const double u = norm > 0 ? x[i] / norm : 0;
    const double base = is_query ? u : x[i];
    const double theta = std::numbers::pi / 4 * std::tanh(rule.alpha * u);
    switch (rule.map) {
      case FeatureMap::relu_split:
        phi[i] = positive_power(base, exponent);
        phi[i + d] = positive_power(-base, exponent);
        break;
      case FeatureMap::cosine:
        phi[i] = positive_power(std::abs(base), exponent) * std::cos(theta);
        phi[i + d] = positive_power(std::abs(base), exponent) * std::sin(theta);
        break;
      case FeatureMap::elu:
        phi[i] = x[i] > 0 ? 1 + x[i] : std::exp(x[i]);
        break;
      case FeatureMap::relu:
        phi[i] = std::max(x[i], 0.0);
        break;
      case FeatureMap::focused:
        phi[i] = cube > 0 ? std::max(x[i], 0.0) * std::sqrt(positive / cube) : 0;
        break;
    }
  }
  return phi;
}

}  // namespace nala::ops
