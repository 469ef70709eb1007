// Host stand-ins for the qualifiers, vector types and 16-bit floats of CUDA that the kernels use,
// so that their tests need no toolkit.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __restrict__
#define __launch_bounds__(...)
// Sanitizers multiply the code: inlined as on the device it would take minutes to compile.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define __forceinline__ inline
#else
#define __forceinline__ inline __attribute__((always_inline))
#endif

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}

struct __nv_bfloat16 {
  uint16_t bits;
};
struct __half {
  uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 x) {
  const uint32_t wide = static_cast<uint32_t>(x.bits) << 16;
  float result = 0;
  std::memcpy(&result, &wide, sizeof(result));
  return result;
}

/// To nearest, ties to even; any NaN becomes 0x7fff, as on the device.
inline __nv_bfloat16 __float2bfloat16(float x) {
  if (std::isnan(x)) {
    return {0x7fff};
  }
  uint32_t wide = 0;
  std::memcpy(&wide, &x, sizeof(wide));
  const uint32_t odd = (wide >> 16) & 1;
  return {static_cast<uint16_t>((wide + 0x7fff + odd) >> 16)};
}

inline float __half2float(__half x) {
  _Float16 narrow = 0;
  std::memcpy(&narrow, &x.bits, sizeof(narrow));
  return static_cast<float>(narrow);
}

inline __half __float2half(float x) {
  if (std::isnan(x)) {
    return {0x7fff};
  }
  const _Float16 narrow = static_cast<_Float16>(x);
  __half result{};
  std::memcpy(&result.bits, &narrow, sizeof(narrow));
  return result;
}
