// The feature maps of queries and keys, and their derivatives, on vectors of channels.
//
// A map works on a block of tokens in steps; the first two make features, all of them gradients:
//   measure   what a token's channels share (norm, exponent), where kMeasured
//   features  of one vector (several: of as many tokens at once); may hand on up to kKept vectors
//   to the gradient recalled  the features again, from what was handed on gradient  of one vector
//   given the features' gradients; adds to up to kSums sums over channels finish    the gradient of
//   the vector once the sums are known
#pragma once

#include <numbers>

#include "ops/cpu/elementary.h"
#include "ops/cpu/panels.h"

namespace nala::ops::cpu {

template <class V>
struct Pair {
  typename V::Reg a, b;  ///< the two halves; b is unused where there is one
};

/// Per token sums over the channels.
template <class V>
struct Sums {
  typename V::Reg first = V::zero();
  typename V::Reg second = V::zero();
};

/// One float per token of a block.
struct alignas(64) PerToken {
  float of[kBlockTokens];
  float& operator[](int t) { return of[t]; }
  float operator[](int t) const { return of[t]; }
};

/// `positive` where x > 0, `negative` where x < 0, x itself (a zero or NaN) elsewhere.
template <class V>
inline typename V::Reg by_sign(typename V::Reg x,
                               typename V::Reg positive,
                               typename V::Reg negative) {
  return V::select(V::positive(x), positive, V::select(V::negative(x), negative, x));
}

/// The non-negative and the negated non-positive part; NaN in both for NaN.
template <class V>
inline Pair<V> split_signs(typename V::Reg x) {
  return {V::max(V::zero(), x), V::max(V::zero(), V::negate(x))};
}

/// sum_j f(x_j)^2 of the tokens of one group, token by token.
template <class V, class F>
inline typename V::Reg squares(const Panels<V>& x, int panels, int group, F f) {
  alignas(64) float rows[V::kWidth * V::kWidth];
  for (int t = 0; t < V::kWidth; ++t) {
    typename V::Reg sum = V::zero();
    for (int j = 0; j < panels; ++j) {
      const typename V::Reg value = f(V::load(x.at(j, group + t)));
      sum = V::fma(value, value, sum);
    }
    V::store(rows + t * V::kWidth, sum);
  }
  return V::row_sums(rows);
}

/// Sets the marked tokens of a group to 0.
template <class V>
inline void clear_tokens(const Panels<V>& x, int panels, int group, uint32_t marks) {
  for (int t = 0; marks >> t != 0; ++t) {
    for (int j = 0; j < panels && ((marks >> t) & 1U) != 0; ++j) {
      V::store(x.at(j, group + t), V::zero());
    }
  }
}

/// The features of tokens t ... t + K - 1 in one panel, and what their gradients want kept.
template <class V, int K, class Map>
inline void features_of(const Map& map,
                        const typename V::Reg (&x)[K],
                        int t,
                        Pair<V> (&phi)[K],
                        typename V::Reg (&kept)[K][Map::kKept]) {
  if constexpr (requires { map.several(x, t, phi, kept); }) {
    map.several(x, t, phi, kept);
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      phi[i] = map.features(x[i], t + i, kept[i]);
    }
  }
}

template <class V>
struct Norms {
  typename V::Reg norm, inverse;  ///< inverse: 0 where the norm is 0 or infinite
  uint32_t zero, infinite;        ///< bits of such tokens
};
template <class V>
inline Norms<V> norms(const Panels<V>& x, int panels, int group) {
  const auto norm = V::sqrt(squares<V>(x, panels, group, [](auto value) { return value; }));
  const auto zero = V::equal(norm, V::zero());
  const auto infinite = V::equal(norm, V::set(__builtin_inff()));
  const auto inverse = V::select(V::either(zero, infinite), V::zero(), V::set(1) / norm);
  return {norm, inverse, V::bits(zero), V::bits(infinite)};
}

// What relu_split and cosine share on the side of the queries: u = x/|x| and |u|^p.
template <class V>
class PowerQuery {
 public:
  using Reg = typename V::Reg;
  static constexpr int kSums = 2;
  static constexpr bool kZeroAtZero = true;
  static constexpr bool kMeasured = true;

  explicit PowerQuery(const Setup& setup) : setup_(setup) {}

  void measure(const Panels<V>& x, int panels, int group) {
    const Norms<V> n = norms<V>(x, panels, group);
    if ((n.zero | n.infinite) != 0) [[unlikely]] {
      clear_tokens<V>(x, panels, group, n.zero | n.infinite);
    }
    Reg exponent = V::set(setup_.lambd);
    Reg slope = V::zero();  // of the exponent in the norm
    if (setup_.norm_aware) {
      const Reg t = tanh<V>(n.norm);
      exponent = exponent * (V::set(setup_.tau) + t);
      slope = V::set(setup_.lambd) * V::fnma(t, t, V::set(1));
    }
    V::store(&inverse_[group], n.inverse);
    V::store(&exponent_[group], exponent);
    V::store(&slope_[group], slope * V::set(kLn2));
  }

  void combine(int group, Reg along, Reg logarithmic) {
    const Reg inverse = V::load(&inverse_[group]);
    V::store(&radial_[group], V::fms(inverse, along, V::load(&slope_[group]) * logarithmic));
  }
  // dx = du/|x| - u (u.du/|x| - dp/d|x| dL/dp)
  Reg finish(Reg scaled, Reg x, int t) const {
    return V::fnma(unit(x, t), V::set(radial_[t]), scaled);
  }

 protected:
  Reg unit(Reg x, int t) const { return x * V::set(inverse_[t]); }
  // |u|^(p - 1), so that u times it is |u|^p with u's sign.
  Reg reduced_power(const Logarithm<V>& logarithm, int t) const {
    return power<V>(logarithm, V::set(exponent_[t] - 1));
  }
  // Adds what gradient() must for du; returns du/|x|.
  Reg added(Reg u, Reg du, Reg power_part, Reg logarithm, int t, Sums<V>& sums) const {
    sums.first = V::fma(u, du, sums.first);
    sums.second = V::fma(power_part * u, logarithm, sums.second);
    return du * V::set(inverse_[t]);
  }
  Reg exponent(int t) const { return V::set(exponent_[t]); }
  const Setup& setup() const { return setup_; }

 private:
  Setup setup_;
  PerToken inverse_, exponent_, slope_, radial_;
};

template <class V>
class SplitQuery : public PowerQuery<V> {
 public:
  using Reg = typename V::Reg;
  using PowerQuery<V>::PowerQuery;
  static constexpr int kHalves = 2;
  static constexpr int kKept = 2;

  Pair<V> features(Reg x, int t, Reg* kept) const {
    const Reg u = this->unit(x, t);
    const Logarithm<V> logarithm = log2<V>(u);
    kept[0] = this->reduced_power(logarithm, t);
    kept[1] = logarithm.sum();
    return recalled(x, t, kept);
  }
  // Of tokens t ... t + K - 1, whose x and features stand in arrays.
  template <int K>
  void several(const Reg (&x)[K], int t, Pair<V> (&phi)[K], Reg (&kept)[K][kKept]) const {
    using Many = Wide<V, K>;
    const auto u = Many::each([&](int i) { return this->unit(x[i], t + i); });
    const auto exponent = Many::each([&](int i) { return this->exponent(t + i); });
    const Logarithm<Many> logarithm = log2<Many>(u);
    const auto reduced = power<Many>(logarithm, exponent - Many::set(1));
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      kept[i][0] = reduced.of[i];
      kept[i][1] = logarithm.whole.of[i] + logarithm.rest.of[i];
      phi[i] = split_signs<V>(u.of[i] * reduced.of[i]);
    }
  }
  Pair<V> recalled(Reg x, int t, const Reg* kept) const {
    return split_signs<V>(this->unit(x, t) * kept[0]);
  }
  Reg gradient(Reg x, int t, const Pair<V>& g, const Reg* kept, Sums<V>& sums) const {
    const Reg u = this->unit(x, t);
    const Reg part = by_sign<V>(u, g.a, V::negate(g.b)) * kept[0];
    return this->added(u, this->exponent(t) * part, part, kept[1], t, sums);
  }
};

// theta = pi/4 tanh(alpha u) and its derivative.
template <class V>
struct Inhibition {
  typename V::Reg t;
  Angle<V> theta;
};
template <class V>
inline Inhibition<V> inhibition(typename V::Reg u, float alpha) {
  const auto t = tanh<V>(u * V::set(alpha));
  return {t, angle<V>(t)};
}
template <class V>
inline typename V::Reg inhibition_slope(typename V::Reg t, float alpha) {
  constexpr auto kQuarter = static_cast<float>(std::numbers::pi / 4);
  return V::set(kQuarter * alpha) * V::fnma(t, t, V::set(1));
}

template <class V>
class CosineQuery : public PowerQuery<V> {
 public:
  using Reg = typename V::Reg;
  using PowerQuery<V>::PowerQuery;
  static constexpr int kHalves = 2;
  static constexpr int kKept = 5;

  Pair<V> features(Reg x, int t, Reg* kept) const {
    const Reg u = this->unit(x, t);
    const Logarithm<V> logarithm = log2<V>(u);
    const Inhibition<V> inhibited = inhibition<V>(u, this->setup().alpha);
    kept[0] = this->reduced_power(logarithm, t);
    kept[1] = logarithm.sum();
    kept[2] = inhibited.t;
    kept[3] = inhibited.theta.cos;
    kept[4] = inhibited.theta.sin;
    return recalled(x, t, kept);
  }
  Pair<V> recalled(Reg x, int t, const Reg* kept) const {
    const Reg magnitude = V::abs(this->unit(x, t)) * kept[0];
    return {magnitude * kept[3], magnitude * kept[4]};
  }
  Reg gradient(Reg x, int t, const Pair<V>& g, const Reg* kept, Sums<V>& sums) const {
    const Reg u = this->unit(x, t);
    const Reg h = V::fma(g.a, kept[3], g.b * kept[4]);
    const Reg part = by_sign<V>(u, h, V::negate(h)) * kept[0];
    const Reg turn = V::fms(g.b, kept[3], g.a * kept[4]) * (V::abs(u) * kept[0]);
    const Reg du =
        V::fma(turn, inhibition_slope<V>(kept[2], this->setup().alpha), this->exponent(t) * part);
    return this->added(u, du, part, kept[1], t, sums);
  }
};

// |k|^(lambda - 1).
template <class V, bool kCubic>
inline typename V::Reg reduced_key_power(typename V::Reg k, float lambd) {
  if constexpr (kCubic) {
    return k * k;
  } else {
    return power<V>(log2<V>(k), V::set(lambd - 1));
  }
}

template <class V, bool kCubic>
class SplitKey {
 public:
  using Reg = typename V::Reg;
  static constexpr int kHalves = 2;
  static constexpr int kKept = 1;
  static constexpr int kSums = 0;
  static constexpr bool kZeroAtZero = true;
  static constexpr bool kMeasured = false;

  explicit SplitKey(const Setup& setup) : lambd_(setup.lambd) {}
  void measure(const Panels<V>&, int, int) {}
  Pair<V> features(Reg x, int, Reg* kept) const {
    kept[0] = reduced_key_power<V, kCubic>(x, lambd_);
    return recalled(x, 0, kept);
  }
  Pair<V> recalled(Reg x, int, const Reg* kept) const { return split_signs<V>(x * kept[0]); }
  Reg gradient(Reg x, int, const Pair<V>& g, const Reg* kept, Sums<V>&) const {
    return V::set(lambd_) * kept[0] * by_sign<V>(x, g.a, V::negate(g.b));
  }
  void combine(int, Reg, Reg) {}
  Reg finish(Reg dx, Reg, int) const { return dx; }

 private:
  float lambd_;
};

template <class V, bool kCubic>
class CosineKey {
 public:
  using Reg = typename V::Reg;
  static constexpr int kHalves = 2;
  static constexpr int kKept = 4;
  static constexpr int kSums = 1;
  static constexpr bool kZeroAtZero = true;
  static constexpr bool kMeasured = true;

  explicit CosineKey(const Setup& setup) : lambd_(setup.lambd), alpha_(setup.alpha) {}
  void measure(const Panels<V>& x, int panels, int group) {
    const Norms<V> n = norms<V>(x, panels, group);
    if (n.zero != 0) [[unlikely]] {
      clear_tokens<V>(x, panels, group, n.zero);
    }
    V::store(&inverse_[group], n.inverse);
  }
  Pair<V> features(Reg x, int t, Reg* kept) const {
    const Inhibition<V> inhibited = inhibition<V>(x * V::set(inverse_[t]), alpha_);
    kept[0] = reduced_key_power<V, kCubic>(x, lambd_);
    kept[1] = inhibited.t;
    kept[2] = inhibited.theta.cos;
    kept[3] = inhibited.theta.sin;
    return recalled(x, t, kept);
  }
  Pair<V> recalled(Reg x, int, const Reg* kept) const {
    const Reg magnitude = V::abs(x) * kept[0];
    return {magnitude * kept[2], magnitude * kept[3]};
  }
  Reg gradient(Reg x, int t, const Pair<V>& g, const Reg* kept, Sums<V>& sums) const {
    const Reg inverse = V::set(inverse_[t]);
    const Reg h = V::fma(g.a, kept[2], g.b * kept[3]);
    const Reg direct = V::set(lambd_) * kept[0] * by_sign<V>(x, h, V::negate(h));
    const Reg turn = V::fms(g.b, kept[2], g.a * kept[3]) * (V::abs(x) * kept[0]);
    const Reg du = turn * inhibition_slope<V>(kept[1], alpha_);
    sums.first = V::fma(x * inverse, du, sums.first);
    return V::fma(inverse, du, direct);
  }
  void combine(int group, Reg along, Reg) {
    V::store(&radial_[group], V::load(&inverse_[group]) * along);
  }
  Reg finish(Reg dx, Reg x, int t) const {
    return V::fnma(x * V::set(inverse_[t]), V::set(radial_[t]), dx);
  }

 private:
  float lambd_, alpha_;
  PerToken inverse_, radial_;
};

// 1 + elu(x).
template <class V>
class Elu {
 public:
  using Reg = typename V::Reg;
  static constexpr int kHalves = 1;
  static constexpr int kKept = 1;
  static constexpr int kSums = 0;
  static constexpr bool kZeroAtZero = false;
  static constexpr bool kMeasured = false;

  explicit Elu(const Setup&) {}
  void measure(const Panels<V>&, int, int) {}
  Pair<V> features(Reg x, int, Reg* kept) const {
    kept[0] = exp<V>(V::max(V::set(-104), V::min(V::zero(), x)));
    return recalled(x, 0, kept);
  }
  Pair<V> recalled(Reg x, int, const Reg* kept) const {
    return {V::select(V::positive(x), x + V::set(1), kept[0]), V::zero()};
  }
  Reg gradient(Reg, int, const Pair<V>& g, const Reg* kept, Sums<V>&) const {
    return g.a * kept[0];  // the exponential is 1 where x > 0
  }
  void combine(int, Reg, Reg) {}
  Reg finish(Reg dx, Reg, int) const { return dx; }
};

template <class V>
class Relu {
 public:
  using Reg = typename V::Reg;
  static constexpr int kHalves = 1;
  static constexpr int kKept = 1;
  static constexpr int kSums = 0;
  static constexpr bool kZeroAtZero = true;
  static constexpr bool kMeasured = false;

  explicit Relu(const Setup&) {}
  void measure(const Panels<V>&, int, int) {}
  Pair<V> features(Reg x, int, Reg* kept) const {
    kept[0] = V::max(V::zero(), x);
    return recalled(x, 0, kept);
  }
  Pair<V> recalled(Reg, int, const Reg* kept) const { return {kept[0], V::zero()}; }
  Reg gradient(Reg x, int, const Pair<V>& g, const Reg* kept, Sums<V>&) const {
    return V::select(V::positive(x), g.a, kept[0]);  // 0, or NaN
  }
  void combine(int, Reg, Reg) {}
  Reg finish(Reg dx, Reg, int) const { return dx; }
};

// r |r| / |r^3| with r = relu(x): r rho, rho = sqrt(Q/C), Q = sum r^2, C = sum r^6.
template <class V>
class Focused {
 public:
  using Reg = typename V::Reg;
  static constexpr int kHalves = 1;
  static constexpr int kKept = 1;
  static constexpr int kSums = 1;
  static constexpr bool kZeroAtZero = true;
  static constexpr bool kMeasured = true;

  explicit Focused(const Setup&) {}
  void measure(const Panels<V>& x, int panels, int group) {
    const Reg square = squares<V>(x, panels, group, relu);
    const Reg cube = squares<V>(x, panels, group, [](Reg value) {
      const Reg r = relu(value);
      return r * r * r;
    });
    const auto zero = V::equal(cube, V::zero());
    const auto unless_zero = [&](Reg value) { return V::select(zero, V::zero(), value); };
    V::store(&ratio_[group], unless_zero(V::sqrt(square / cube)));
    V::store(&inverse_square_[group], unless_zero(V::set(1) / square));
    V::store(&inverse_cube_[group], unless_zero(V::set(3) / cube));
  }
  Pair<V> features(Reg x, int t, Reg* kept) const {
    kept[0] = relu(x);
    return recalled(x, t, kept);
  }
  Pair<V> recalled(Reg, int t, const Reg* kept) const {
    return {kept[0] * V::set(ratio_[t]), V::zero()};
  }
  Reg gradient(Reg, int t, const Pair<V>& g, const Reg* kept, Sums<V>& sums) const {
    sums.first = V::fma(g.a, kept[0], sums.first);
    return g.a * V::set(ratio_[t]);
  }
  void combine(int group, Reg along, Reg) {
    V::store(&radial_[group], along * V::load(&ratio_[group]));
  }
  // d rho / d r_i = rho r_i (1/Q - 3 r_i^4/C)
  Reg finish(Reg dx, Reg x, int t) const {
    const Reg r = relu(x);
    const Reg square = r * r;
    const Reg slope =
        V::fnma(square * V::set(inverse_cube_[t]), square, V::set(inverse_square_[t]));
    return V::select(V::positive(x), V::fma(V::set(radial_[t]), r * slope, dx),
                     r * V::set(ratio_[t]));
  }

 private:
  static Reg relu(Reg x) { return V::max(V::zero(), x); }

  PerToken ratio_, inverse_square_, inverse_cube_, radial_;
};

}  // namespace nala::ops::cpu
