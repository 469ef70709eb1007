// Values of rows and the activations of ops/cpu/layer_kernels.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "ops/cpu/elementary.h"

namespace nala::ops::cpu {

/// The first `count` lanes of a vector, at most all.
template <class V>
inline typename V::Mask lanes_of(int64_t count) {
  return V::first(count < V::kWidth ? static_cast<int>(count) : V::kWidth);
}

template <class V>
inline void store_as(
    void* to, int64_t offset, typename V::Mask mask, typename V::Reg x, bool bfloat16) {
  if (bfloat16) {
    V::store_bfloat16(static_cast<uint16_t*>(to) + offset, mask, x);
  } else {
    V::store(static_cast<float*>(to) + offset, mask, x);
  }
}

template <class V>
inline typename V::Reg load_as(const void* from,
                               int64_t offset,
                               typename V::Mask mask,
                               bool bfloat16) {
  return bfloat16 ? V::load_bfloat16(static_cast<const uint16_t*>(from) + offset, mask)
                  : V::load(static_cast<const float*>(from) + offset, mask);
}

/// A finite x as float32 or, rounded to the nearest, ties to even, as bfloat16.
template <class Value>
inline Value value_of(float x) {
  if constexpr (sizeof(Value) == sizeof(float)) {
    return x;
  } else {
    uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    return static_cast<Value>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
  }
}

/// (Phi(x) - 1/2) / x in t = 2 x^2 / 25 - 1, Phi the normal distribution's, for |x| <= 5:
/// x Phi(x) from it is off by 9e-7 at most.
inline constexpr float kNormal[] = {
    1.413637847e-01F,  -7.029671967e-02F, 5.152151361e-02F,  -4.043114930e-02F, 3.142411634e-02F,
    -2.334965207e-02F, 1.651204936e-02F,  -1.093643904e-02F, 6.125543267e-03F,  -2.960500307e-03F,
    2.049661009e-03F,  -1.494652010e-03F, 4.724031314e-04F};

/// x Phi(x); beyond |x| = 5 off by 3e-7 |x|.
template <class V>
inline typename V::Reg gelu(typename V::Reg x) {
  const auto inside = V::max(V::set(-5), V::min(V::set(5), x));
  const auto t = V::fms(inside * V::set(2.0F / 25), inside, V::set(1));
  return x * V::fma(inside, polynomial<V>(kNormal, t), V::set(0.5F));
}

/// The derivative of x Phi(x), Phi(x) + x phi(x): off by 1e-6 at most.
template <class V>
inline typename V::Reg gelu_slope(typename V::Reg x) {
  const auto inside = V::max(V::set(-5), V::min(V::set(5), x));
  const auto t = V::fms(inside * V::set(2.0F / 25), inside, V::set(1));
  const auto cumulated = V::fma(inside, polynomial<V>(kNormal, t), V::set(0.5F));
  // x phi(x) is 0 to every digit beyond 13, and e^x wants at least -87.
  const auto near = V::max(V::set(-13), V::min(V::set(13), x));
  const auto density = exp<V>(near * near * V::set(-0.5F)) * V::set(0.398942280F);
  return V::fma(near, density, cumulated);
}

/// x / (1 + e^-x).
template <class V>
inline typename V::Reg silu(typename V::Reg x) {
  // Beyond +-87 the result is x or 0 to every digit.
  const auto inside = V::max(V::set(-87), V::min(V::set(87), x));
  return x / (V::set(1) + exp<V>(V::negate(inside)));
}

}  // namespace nala::ops::cpu
