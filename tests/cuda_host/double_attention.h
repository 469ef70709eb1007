// Linear attention as plain loops, from the specification's formulas, in any arithmetic: double, or
// Dual for the derivative along a direction. What the kernels are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "attention_arguments.h"

namespace nala::cuda_host {

/// A value and its derivative along one direction.
struct Dual {
  double value = 0;
  double slope = 0;
  Dual() = default;
  Dual(double constant) : value(constant) {}  // constants mix freely with duals
  Dual(double v, double s) : value(v), slope(s) {}
};
inline Dual operator+(Dual a, Dual b) {
  return {a.value + b.value, a.slope + b.slope};
}
inline Dual operator-(Dual a, Dual b) {
  return {a.value - b.value, a.slope - b.slope};
}
inline Dual operator*(Dual a, Dual b) {
  return {a.value * b.value, a.slope * b.value + a.value * b.slope};
}
inline Dual operator/(Dual a, Dual b) {
  return {a.value / b.value, (a.slope - a.value / b.value * b.slope) / b.value};
}
inline Dual chained(double value, double derivative, Dual x) {
  return {value, derivative * x.slope};
}
inline Dual sqrt(Dual x) {
  const double root = std::sqrt(x.value);
  return chained(root, 0.5 / root, x);
}
inline Dual tanh(Dual x) {
  const double t = std::tanh(x.value);
  return chained(t, 1 - t * t, x);
}
inline Dual exp(Dual x) {
  return chained(std::exp(x.value), std::exp(x.value), x);
}
inline Dual log(Dual x) {
  return chained(std::log(x.value), 1 / x.value, x);
}
inline Dual sin(Dual x) {
  return chained(std::sin(x.value), std::cos(x.value), x);
}
inline Dual cos(Dual x) {
  return chained(std::cos(x.value), -std::sin(x.value), x);
}
inline double plain(double x) {
  return x;
}
inline double plain(Dual x) {
  return x.value;
}

template <class S>
using Row = std::vector<S>;

/// |x|^exponent; 0 with derivative 0 where x is 0.
template <class S>
S magnitude(S x, S exponent) {
  using std::exp;
  using std::log;
  if (plain(x) == 0) {
    return S(0);
  }
  const S size = plain(x) < 0 ? S(0) - x : x;
  return exp(exponent * log(size));
}

template <class S>
S norm_of(const Row<S>& x) {
  using std::sqrt;
  S square(0);
  for (const S& value : x) {
    square = square + value * value;
  }
  return plain(square) == 0 ? S(0) : sqrt(square);
}

// Whether float32 sees the norm as 0 or infinite.
template <class S>
bool dropped(const Row<S>& x) {
  float square = 0;
  for (const S& value : x) {
    square += static_cast<float>(plain(value)) * static_cast<float>(plain(value));
  }
  const float norm = std::sqrt(square);
  return norm == 0 || std::isinf(norm);
}

template <class S>
void put_split(Row<S>& features, size_t c, S size, S sign) {
  const size_t d = features.size() / 2;
  if (plain(sign) > 0) {
    features[c] = size;
  } else if (plain(sign) < 0) {
    features[d + c] = size;
  }
}

template <class S>
void put_turned(Row<S>& features, size_t c, S size, S angle) {
  using std::cos;
  using std::sin;
  features[c] = size * cos(angle);
  features[features.size() / 2 + c] = size * sin(angle);
}

template <class S>
Row<S> split_features(const cuda::FeatureRule& rule, cuda::Side side, const Row<S>& x) {
  using std::tanh;
  const bool cosine = rule.map == cuda::Map::cosine;
  const bool query = side == cuda::Side::query;
  Row<S> features(2 * x.size(), S(0));
  const bool without_direction = dropped(x);
  if (without_direction && (query || (cosine && plain(norm_of(x)) < 1))) {
    return features;
  }
  const S norm = norm_of(x);
  const S exponent =
      query && rule.norm_aware ? S(rule.lambd) * (S(rule.tau) + tanh(norm)) : S(rule.lambd);
  for (size_t c = 0; c < x.size(); ++c) {
    const S u = without_direction || plain(norm) == 0 ? S(0) : x[c] / norm;
    const S size = magnitude(query ? u : x[c], exponent);
    if (cosine) {
      put_turned(features, c, size, S(std::numbers::pi / 4) * tanh(S(rule.alpha) * u));
    } else {
      put_split(features, c, size, x[c]);
    }
  }
  return features;
}

template <class S>
Row<S> focused_features(const Row<S>& x) {
  Row<S> r;
  Row<S> cubes;
  for (const S& value : x) {
    r.push_back(plain(value) > 0 ? value : S(0));
    cubes.push_back(r.back() * r.back() * r.back());
  }
  const S cube_norm = norm_of(cubes);
  const S norm = norm_of(r);
  for (S& value : r) {
    value = plain(cube_norm) == 0 ? S(0) : value * norm / cube_norm;
  }
  return r;
}

template <class S>
Row<S> features_of(const cuda::FeatureRule& rule, cuda::Side side, const Row<S>& x) {
  using std::exp;
  if (rule.map == cuda::Map::focused) {
    return focused_features(x);
  }
  if (rule.map == cuda::Map::relu || rule.map == cuda::Map::elu) {
    const bool elu = rule.map == cuda::Map::elu;
    Row<S> features;
    for (const S& value : x) {
      const S positive = elu ? S(1) + value : value;
      features.push_back(plain(value) > 0 ? positive : (elu ? exp(value) : S(0)));
    }
    return features;
  }
  return split_features(rule, side, x);
}

/// x cos + rot(x) sin for each half of d channels; tables may be empty.
template <class S>
Row<S> rotated(const Row<S>& x,
               const std::vector<float>& cos,
               const std::vector<float>& sin,
               size_t first) {
  if (cos.empty()) {
    return x;
  }
  const size_t d = cos.size() == 0 ? 1 : x.size();
  Row<S> y(d);
  for (size_t i = 0; i < d; ++i) {
    const S other = i % 2 == 0 ? S(0) - x[i + 1] : x[i - 1];
    y[i] = x[i] * S(cos[first + i]) + other * S(sin[first + i]);
  }
  return y;
}

/// One head. q, k, v: N rows of d; returns y, N rows of d.
template <class S>
struct DoubleHead {
  cuda::FeatureRule rule;
  double eps = 0;
  std::vector<float> cos, sin;  // (N, d)

  std::vector<Row<S>> operator()(const std::vector<Row<S>>& q,
                                 const std::vector<Row<S>>& k,
                                 const std::vector<Row<S>>& v) const {
    const size_t n = q.size();
    const size_t d = q[0].size();
    const size_t width = features_of(rule, cuda::Side::query, q[0]).size();
    std::vector<Row<S>> state(width, Row<S>(d, S(0)));
    Row<S> mean(width, S(0));
    const S share(1.0 / static_cast<double>(n));
    for (size_t t = 0; t < n; ++t) {
      const Row<S> features = features_of(rule, cuda::Side::key, k[t]);
      const Row<S> turned = turned_halves(features, t, d);
      for (size_t w = 0; w < width; ++w) {
        mean[w] = mean[w] + features[w] * share;
        for (size_t c = 0; c < d; ++c) {
          state[w][c] = state[w][c] + turned[w] * v[t][c] * share;
        }
      }
    }
    std::vector<Row<S>> y(n, Row<S>(d, S(0)));
    for (size_t t = 0; t < n; ++t) {
      const Row<S> features = features_of(rule, cuda::Side::query, q[t]);
      const Row<S> turned = turned_halves(features, t, d);
      S denominator(eps);
      for (size_t w = 0; w < width; ++w) {
        denominator = denominator + features[w] * mean[w];
        for (size_t c = 0; c < d; ++c) {
          y[t][c] = y[t][c] + turned[w] * state[w][c];
        }
      }
      for (S& value : y[t]) {
        value = value / denominator;
      }
    }
    return y;
  }

 private:
  Row<S> turned_halves(const Row<S>& features, size_t token, size_t d) const {
    Row<S> turned;
    for (size_t first = 0; first < features.size(); first += d) {
      const Row<S> half(features.begin() + static_cast<std::ptrdiff_t>(first),
                        features.begin() + static_cast<std::ptrdiff_t>(first + d));
      const Row<S> part = rotated(half, cos, sin, token * d);
      turned.insert(turned.end(), part.begin(), part.end());
    }
    return turned;
  }
};

}  // namespace nala::cuda_host
