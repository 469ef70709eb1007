// Eight floats in an AVX2 register; the same interface as vector_avx512.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace nala::ops::cpu {

struct Avx2 {
  using Reg = __m256;
  using Mask = __m256;  ///< all bits of a lane set or none
  static constexpr int kWidth = 8;
  static constexpr int kTileRows = 4;
  static constexpr int kInterleaved = 1;

  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg set(float x) { return _mm256_set1_ps(x); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }

  static Mask first(int count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes));
  }
  static Reg load(const float* p, Mask m) { return _mm256_maskload_ps(p, lanes_of(m)); }
  static void store(float* p, Mask m, Reg x) { _mm256_maskstore_ps(p, lanes_of(m), x); }
  static Reg keep(Mask m, Reg x) { return _mm256_and_ps(m, x); }

  static Reg load_bfloat16(const uint16_t* p, Mask m) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_words(p, m)), 16));
  }
  static void store_bfloat16(uint16_t* p, Mask m, Reg x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i kept = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan);
    const __m256i high = _mm256_srli_epi32(kept, 16);
    const __m256i packed = _mm256_packus_epi32(high, high);
    store_words(p, m, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
  }
  static Reg load_float16(const uint16_t* p, Mask m) { return _mm256_cvtph_ps(load_words(p, m)); }
  static void store_float16(uint16_t* p, Mask m, Reg x) {
    store_words(p, m, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }

  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg fms(Reg a, Reg b, Reg c) { return _mm256_fmsub_ps(a, b, c); }
  static Reg fnma(Reg a, Reg b, Reg c) { return _mm256_fnmadd_ps(a, b, c); }
  static Reg fmaddsub(Reg a, Reg b, Reg c) { return _mm256_fmaddsub_ps(a, b, c); }
  static Reg fmsubadd(Reg a, Reg b, Reg c) { return _mm256_fmsubadd_ps(a, b, c); }
  static Reg swap_pairs(Reg x) { return _mm256_permute_ps(x, 0xB1); }
  static Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg sqrt(Reg x) { return _mm256_sqrt_ps(x); }
  static Reg round(Reg x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg abs(Reg x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); }
  static Reg negate(Reg x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0F)); }
  static Reg copy_sign(Reg magnitude, Reg sign) {
    return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0F)));
  }

  static Mask positive(Reg x) { return _mm256_cmp_ps(x, zero(), _CMP_GT_OQ); }
  static Mask negative(Reg x) { return _mm256_cmp_ps(x, zero(), _CMP_LT_OQ); }
  static Mask equal(Reg a, Reg b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static Mask either(Mask a, Mask b) { return _mm256_or_ps(a, b); }
  static Reg select(Mask m, Reg yes, Reg no) { return _mm256_blendv_ps(no, yes, m); }
  static uint32_t bits(Mask m) { return static_cast<uint32_t>(_mm256_movemask_ps(m)); }

  /// x 2^n for integral n; two halves of n, so that results reach infinity and 0.
  static Reg scale(Reg x, Reg n) {
    const Reg bounded = max(set(-252), min(set(254), n));
    const __m256i whole = _mm256_cvtps_epi32(bounded);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return x * power_of_two(half) * power_of_two(_mm256_sub_epi32(whole, half));
  }

  struct Split {
    Reg exponent, mantissa;
  };
  static Split split(Reg x) {
    const __m256i root = _mm256_set1_epi32(0x3F3504F3);
    const __m256i shifted = _mm256_sub_epi32(_mm256_castps_si256(abs(x)), root);
    const __m256i fraction = _mm256_and_si256(shifted, _mm256_set1_epi32(0x7FFFFF));
    return {_mm256_cvtepi32_ps(_mm256_srai_epi32(shifted, 23)),
            _mm256_castsi256_ps(_mm256_add_epi32(fraction, root))};
  }

  /// The sums of eight rows of eight floats, row by row.
  static Reg row_sums(const float* rows) {
    const __m256 low = quad(rows);
    const __m256 high = quad(rows + 32);
    return _mm256_permute2f128_ps(low, high, 0x20) + _mm256_permute2f128_ps(low, high, 0x31);
  }

 private:
  static __m256i lanes_of(Mask m) { return _mm256_castps_si256(m); }
  static Reg power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  static __m128i load_words(const uint16_t* p, Mask m) {
    const uint32_t lanes = bits(m);
    if (lanes == 0xFF) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    }
    alignas(16) uint16_t words[8] = {};
    for (int i = 0; (lanes >> i) & 1U; ++i) {
      words[i] = p[i];
    }
    return _mm_load_si128(reinterpret_cast<const __m128i*>(words));
  }
  static void store_words(uint16_t* p, Mask m, __m128i x) {
    const uint32_t lanes = bits(m);
    if (lanes == 0xFF) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), x);
      return;
    }
    alignas(16) uint16_t words[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(words), x);
    for (int i = 0; (lanes >> i) & 1U; ++i) {
      p[i] = words[i];
    }
  }
  static Reg quad(const float* p) {
    const __m256 ab = add_interleaved(load(p), load(p + 8));
    const __m256 cd = add_interleaved(load(p + 16), load(p + 24));
    return _mm256_shuffle_ps(ab, cd, 0x44) + _mm256_shuffle_ps(ab, cd, 0xEE);
  }
  static Reg add_interleaved(Reg a, Reg b) {
    return _mm256_unpacklo_ps(a, b) + _mm256_unpackhi_ps(a, b);
  }
};

}  // namespace nala::ops::cpu
