// Elementary functions on vectors. Coefficients are least maximum error fits on the stated ranges.
#pragma once

namespace nala::ops::cpu {

/// K vectors that go through an elementary function together. Each step of such a function waits
/// for the one before; the processor has something to do meanwhile only if the steps of several
/// vectors stand side by side in the program.
template <class V, int K>
struct Wide {
  struct Reg {
    typename V::Reg of[K];
    friend Reg operator+(const Reg& a, const Reg& b) {
      return each([&](int i) { return a.of[i] + b.of[i]; });
    }
    friend Reg operator-(const Reg& a, const Reg& b) {
      return each([&](int i) { return a.of[i] - b.of[i]; });
    }
    friend Reg operator*(const Reg& a, const Reg& b) {
      return each([&](int i) { return a.of[i] * b.of[i]; });
    }
  };
  struct Split {
    Reg exponent, mantissa;
  };

  static Reg set(float x) {
    return each([&](int) { return V::set(x); });
  }
  static Reg fma(const Reg& a, const Reg& b, const Reg& c) {
    return each([&](int i) { return V::fma(a.of[i], b.of[i], c.of[i]); });
  }
  static Reg fms(const Reg& a, const Reg& b, const Reg& c) {
    return each([&](int i) { return V::fms(a.of[i], b.of[i], c.of[i]); });
  }
  static Reg round(const Reg& x) {
    return each([&](int i) { return V::round(x.of[i]); });
  }
  static Reg scale(const Reg& x, const Reg& n) {
    return each([&](int i) { return V::scale(x.of[i], n.of[i]); });
  }
  static Split split(const Reg& x) {
    Split parts;
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      const typename V::Split part = V::split(x.of[i]);
      parts.exponent.of[i] = part.exponent;
      parts.mantissa.of[i] = part.mantissa;
    }
    return parts;
  }

  template <class F>
  static Reg each(F f) {
    Reg y;
#pragma GCC unroll 8
    for (int i = 0; i < K; ++i) {
      y.of[i] = f(i);
    }
    return y;
  }
};

/// The polynomial with coefficients c, constant term first, at x.
template <class V, int kTerms>
inline typename V::Reg polynomial(const float (&c)[kTerms], typename V::Reg x) {
  typename V::Reg sum = V::set(c[kTerms - 1]);
  for (int i = kTerms - 2; i >= 0; --i) {
    sum = V::fma(sum, x, V::set(c[i]));
  }
  return sum;
}

/// (2^f - 1) / f for f in [-1/2, 1/2], relative error 2e-9.
inline constexpr float kExp2[] = {6.931472046e-01F, 2.402265131e-01F, 5.550329978e-02F,
                                  9.618007188e-03F, 1.339962858e-03F, 1.547547519e-04F};
/// log2(1 + r) / r for 1 + r in [sqrt(1/2), sqrt(2)], error 7e-9 / r.
inline constexpr float kLog2[] = {1.442694883e+00F,  -7.213471330e-01F, 4.809215288e-01F,
                                  -3.607206364e-01F, 2.876763691e-01F,  -2.385361459e-01F,
                                  2.172499188e-01F,  -2.101737395e-01F, 1.255585432e-01F};
/// cos(pi/4 sqrt(s)), error 5e-11, and sin(pi/4 t) / t in s = t^2, error 3e-9, for s in [0, 1].
inline constexpr float kCos[] = {1.000000000e+00F, -3.084251352e-01F, 1.585432525e-02F,
                                 -3.259386143e-04F, 3.529811331e-06F};
inline constexpr float kSin[] = {7.853981610e-01F, -8.074543483e-02F, 2.490007127e-03F,
                                 -3.595450773e-05F};
inline constexpr float kLog2OfE = 1.4426950408889634F;
inline constexpr float kLn2 = 0.6931471805599453F;

/// log2|x| as a whole number and a rest in [-1/2, 1/2], kept apart because their sum would lose
/// digits. Finite numbers for x = 0, infinite and NaN.
template <class V>
struct Logarithm {
  typename V::Reg whole, rest;
  typename V::Reg sum() const { return whole + rest; }
};
template <class V>
inline Logarithm<V> log2(typename V::Reg x) {
  const typename V::Split parts = V::split(x);
  const auto r = parts.mantissa - V::set(1);
  return {parts.exponent, r * polynomial<V>(kLog2, r)};
}

/// 2^(exponent * logarithm): relative error about 1e-7 whatever the size of the product.
template <class V>
inline typename V::Reg power(const Logarithm<V>& logarithm, typename V::Reg exponent) {
  const auto high = exponent * logarithm.whole;
  const auto low = V::fms(exponent, logarithm.whole, high);
  const auto rest = V::fma(exponent, logarithm.rest, low);
  const auto n = V::round(high + rest);
  const auto f = (high - n) + rest;
  return V::scale(V::fma(f, polynomial<V>(kExp2, f), V::set(1)), n);
}

/// e^x for x <= 88.
template <class V>
inline typename V::Reg exp(typename V::Reg x) {
  // ln 2 in two parts, so that x - n ln 2 keeps its digits.
  const auto n = V::round(x * V::set(kLog2OfE));
  auto rest = V::fnma(n, V::set(0.693359375F), x);
  rest = V::fnma(n, V::set(-2.12194440e-4F), rest);
  const auto f = rest * V::set(kLog2OfE);
  return V::scale(V::fma(f, polynomial<V>(kExp2, f), V::set(1)), n);
}

/// tanh(x), accurate relative to itself also near 0; NaN stays.
template <class V>
inline typename V::Reg tanh(typename V::Reg x) {
  const auto magnitude = V::min(V::set(10), V::abs(x));
  const auto doubled = magnitude * V::set(2 * kLog2OfE);
  const auto n = V::round(doubled);
  const auto f = doubled - n;
  const auto scale = V::scale(V::set(1), n);
  // e^2x - 1
  const auto grown = V::fma(scale * f, polynomial<V>(kExp2, f), scale - V::set(1));
  return V::copy_sign(grown / (grown + V::set(2)), x);
}

/// cos and sin of pi/4 t, |t| <= 1.
template <class V>
struct Angle {
  typename V::Reg cos, sin;
};
template <class V>
inline Angle<V> angle(typename V::Reg t) {
  const auto s = t * t;
  return {polynomial<V>(kCos, s), t * polynomial<V>(kSin, s)};
}

}  // namespace nala::ops::cpu
