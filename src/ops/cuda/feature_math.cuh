// The feature maps, element by element, with their derivatives: formulas in ops/reference.h. The
// same source runs on device and host.
//
// A row is one token of one head. What an element needs to know of its row is in RowFacts; a row
// whose norm is 0 or infinite is `dropped`: its direction is 0, with gradient 0. A NaN stays one:
// comparisons are written so that it takes the branch that keeps it.
#pragma once

#include "attention_arguments.h"
#include "portable.cuh"

namespace nala::cuda {

struct RowFacts {
  float inverse_norm = 0;    ///< 1/|x|; 0 if dropped
  float exponent = 0;        ///< of |u|
  float slope = 0;           ///< d exponent / d |x|
  float scale = 0;           ///< focused: |r|/|r^3|
  float inverse_square = 0;  ///< focused: 1/|r|^2
  float inverse_sextic = 0;  ///< focused: 1/|r^3|^2
  bool dropped = false;
  bool zero = false;
};

/// Both halves of an element's feature; one-halved maps leave the second 0.
struct Feature {
  float first = 0;
  float second = 0;
};

/// What an element contributes to the gradient of its row: see gradient_of().
struct Pulled {
  float direct = 0;     ///< gradient of x itself
  float direction = 0;  ///< gradient of u, or for `focused` of its feature
  float exponent = 0;   ///< contribution to the gradient of the exponent
};

__device__ __forceinline__ float positive_part(float x) {
  return x <= 0 ? 0.0f : x;
}

// x^exponent for x >= 0, 0 at 0.
__device__ __forceinline__ float power(float x, float exponent) {
  return x > 0 ? exp2f(exponent * log2f(x)) : x;
}

__device__ __forceinline__ float key_power(float x, float lambd) {
  return lambd == 3.0f ? x * x * x : power(x, lambd);
}

__device__ __forceinline__ float key_power_slope(float x, float lambd) {
  return lambd == 3.0f ? 3.0f * x * x : lambd * power(x, lambd - 1);
}

__device__ __forceinline__ float sign_of(float x) {
  return x > 0 ? 1.0f : (x < 0 ? -1.0f : x);
}

/// Cosine and sine of |t| <= pi/4, to about one unit in the last place.
__device__ __forceinline__ void cos_sin(float t, float& cosine, float& sine) {
  const float square = t * t;
  const float odd =
      fmaf(fmaf(-1.9515295891e-4f, square, 8.3321608736e-3f), square, -0.16666654611f);
  const float even = fmaf(fmaf(2.443315711809948e-5f, square, -1.388731625493765e-3f), square,
                          4.166664568298827e-2f);
  sine = fmaf(t * square, odd, t);
  cosine = fmaf(square * square, even, fmaf(-0.5f, square, 1.0f));
}

constexpr float kQuarterPi = 0.785398163397448309616f;

/// magnitude cos t, magnitude sin t with t = pi/4 tanh(alpha u).
__device__ __forceinline__ Feature turned(float magnitude, float u, float alpha) {
  float cosine = 0;
  float sine = 0;
  cos_sin(kQuarterPi * tanhf(alpha * u), cosine, sine);
  return {magnitude * cosine, magnitude * sine};
}

/// magnitude into the half of its sign.
__device__ __forceinline__ Feature split(float magnitude, float sign) {
  return {sign > 0 ? magnitude : positive_part(sign), sign < 0 ? magnitude : positive_part(-sign)};
}

/// Facts of a row from its sums over the channels: of x^2, and for `focused` of relu(x)^2,
/// relu(x)^6.
template <Map map, Side side>
__device__ __forceinline__ RowFacts facts_of(const FeatureRule& rule, float square, float sextic) {
  RowFacts row;
  if constexpr (map == Map::focused) {
    row.zero = sextic == 0;
    row.scale = row.zero ? 0.0f : sqrtf(square / sextic);
    row.inverse_square = row.zero ? 0.0f : 1 / square;
    row.inverse_sextic = row.zero ? 0.0f : 1 / sextic;
  } else if constexpr (map == Map::cosine || (map == Map::relu_split && side == Side::query)) {
    const float norm = sqrtf(square);
    row.zero = norm == 0;
    row.dropped = row.zero || isinf(norm);
    row.inverse_norm = row.dropped ? 0.0f : 1 / norm;
    const float bounded = tanhf(norm);
    row.exponent = rule.norm_aware ? rule.lambd * (rule.tau + bounded) : rule.lambd;
    row.slope = rule.norm_aware ? rule.lambd * (1 - bounded * bounded) : 0.0f;
  }
  return row;
}

__device__ __forceinline__ float direction_of(const RowFacts& row, float x) {
  return row.dropped ? 0.0f : x * row.inverse_norm;
}

template <Map map, Side side>
__device__ __forceinline__ Feature feature_of(const FeatureRule& rule,
                                              const RowFacts& row,
                                              float x) {
  if constexpr (map == Map::elu) {
    return {x > 0 ? 1 + x : expf(x), 0};
  } else if constexpr (map == Map::relu) {
    return {positive_part(x), 0};
  } else if constexpr (map == Map::focused) {
    return {row.zero ? 0.0f : positive_part(x) * row.scale, 0};
  } else {
    const float u = direction_of(row, x);
    if constexpr (side == Side::query) {
      const float magnitude = power(fabsf(u), row.exponent);
      return map == Map::cosine ? turned(magnitude, u, rule.alpha) : split(magnitude, u);
    } else {
      const float magnitude = row.zero ? 0.0f : key_power(fabsf(x), rule.lambd);
      return map == Map::cosine ? turned(magnitude, u, rule.alpha) : split(magnitude, x);
    }
  }
}

// The gradient of `magnitude` in split() or turned(), and through the angle that of u.
struct MagnitudeGradient {
  float magnitude = 0;
  float direction = 0;
};

template <Map map>
__device__ __forceinline__ MagnitudeGradient pull_magnitude(
    const FeatureRule& rule, float magnitude, float sign, float u, const Feature& gradient) {
  if constexpr (map == Map::cosine) {
    const float bounded = tanhf(rule.alpha * u);
    float cosine = 0;
    float sine = 0;
    cos_sin(kQuarterPi * bounded, cosine, sine);
    const float of_angle = magnitude * (gradient.second * cosine - gradient.first * sine);
    return {gradient.first * cosine + gradient.second * sine,
            of_angle * kQuarterPi * rule.alpha * (1 - bounded * bounded)};
  } else {
    return {sign > 0 ? gradient.first : (sign < 0 ? gradient.second : sign), 0};
  }
}

template <Map map>
__device__ __forceinline__ Pulled
pull_query(const FeatureRule& rule, const RowFacts& row, float x, const Feature& gradient) {
  const float u = direction_of(row, x);
  const float size = fabsf(u);
  const float logarithm = size > 0 ? log2f(size) : size;
  const float below = size > 0 ? exp2f((row.exponent - 1) * logarithm) : size;  // |u|^(p - 1)
  const MagnitudeGradient pulled = pull_magnitude<map>(rule, size * below, u, u, gradient);
  constexpr float kLn2 = 0.693147180559945309417f;
  return {0, sign_of(u) * pulled.magnitude * row.exponent * below + pulled.direction,
          pulled.magnitude * size * below * logarithm * kLn2};
}

template <Map map>
__device__ __forceinline__ Pulled
pull_key(const FeatureRule& rule, const RowFacts& row, float x, const Feature& gradient) {
  const float u = direction_of(row, x);
  const float size = row.zero ? 0.0f : fabsf(x);
  const MagnitudeGradient pulled =
      pull_magnitude<map>(rule, key_power(size, rule.lambd), x, u, gradient);
  const float slope = size == 0 ? 0.0f : key_power_slope(size, rule.lambd);
  return {sign_of(x) * pulled.magnitude * slope, pulled.direction, 0};
}

/// From the gradient of an element's feature.
template <Map map, Side side>
__device__ __forceinline__ Pulled
pull(const FeatureRule& rule, const RowFacts& row, float x, const Feature& gradient) {
  if constexpr (map == Map::elu) {
    return {gradient.first * (x > 0 ? 1.0f : expf(x)), 0, 0};
  } else if constexpr (map == Map::relu) {
    return {x <= 0 ? 0.0f : gradient.first, 0, 0};
  } else if constexpr (map == Map::focused) {
    return {0, x <= 0 ? 0.0f : gradient.first, 0};
  } else if constexpr (side == Side::query) {
    return pull_query<map>(rule, row, x, gradient);
  } else {
    return pull_key<map>(rule, row, x, gradient);
  }
}

/// What `direction` is multiplied with in the sum over a row that gradient_of() takes.
template <Map map>
__device__ __forceinline__ float along(const RowFacts& row, float x) {
  return map == Map::focused ? positive_part(x) : direction_of(row, x);
}

/// The gradient of x, given the row's sums of direction * along() and of exponent.
template <Map map>
__device__ __forceinline__ float gradient_of(
    const RowFacts& row, float x, const Pulled& pulled, float dot, float exponent) {
  if constexpr (map == Map::focused) {
    const float r = positive_part(x);
    const float of_scale = r * row.inverse_square - 3 * r * r * r * r * r * row.inverse_sextic;
    const float gradient = row.scale * (pulled.direction + dot * of_scale);
    return row.zero || x <= 0 ? 0.0f : gradient;
  } else if constexpr (map == Map::relu_split || map == Map::cosine) {
    const float u = direction_of(row, x);
    const float turned = (pulled.direction - u * dot) * row.inverse_norm + u * row.slope * exponent;
    return row.dropped ? pulled.direct : pulled.direct + turned;
  } else {
    return pulled.direct;
  }
}

}  // namespace nala::cuda
