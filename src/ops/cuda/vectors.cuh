// Four neighbouring channels at a time, from and to memory of any of the three dtypes.
#pragma once

#include "portable.cuh"

namespace nala::cuda {

struct Four {
  float at[4];
};

__device__ __forceinline__ Four load_four(const float* from) {
  const float4 x = *reinterpret_cast<const float4*>(from);
  return {{x.x, x.y, x.z, x.w}};
}

__device__ __forceinline__ void store_four(float* to, const Four& x) {
  *reinterpret_cast<float4*>(to) = make_float4(x.at[0], x.at[1], x.at[2], x.at[3]);
}

__device__ __forceinline__ float widened(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
__device__ __forceinline__ float widened(__half x) {
  return __half2float(x);
}
__device__ __forceinline__ void narrow(float x, __nv_bfloat16& to) {
  to = __float2bfloat16(x);
}
__device__ __forceinline__ void narrow(float x, __half& to) {
  to = __float2half(x);
}

// Eight bytes in one access.
template <class Half>
struct alignas(8) FourHalves {
  Half at[4];
};

template <class Half>
__device__ __forceinline__ Four load_four(const Half* from) {
  const FourHalves<Half> x = *reinterpret_cast<const FourHalves<Half>*>(from);
  return {{widened(x.at[0]), widened(x.at[1]), widened(x.at[2]), widened(x.at[3])}};
}

template <class Half>
__device__ __forceinline__ void store_four(Half* to, const Four& x) {
  FourHalves<Half> halves;
  NALA_UNROLL
  for (int i = 0; i < 4; ++i) {
    narrow(x.at[i], halves.at[i]);
  }
  *reinterpret_cast<FourHalves<Half>*>(to) = halves;
}

/// Sum over the aligned group of `lanes` lanes that the caller is in; every lane gets it, in an
/// order of addition that depends on nothing.
template <int lanes>
__device__ __forceinline__ float sum_over_lanes(float x) {
  NALA_UNROLL
  for (int distance = lanes / 2; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(kAllLanes, x, distance);
  }
  return x;
}

}  // namespace nala::cuda
