// Sixteen floats in an AVX-512 register, with the operations that the kernels need. Every kernel is
// a template over such a class, so that code compiled for different processors never shares a
// symbol.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace nala::ops::cpu {

struct Avx512 {
  using Reg = __m512;
  using Mask = __mmask16;
  static constexpr int kWidth = 16;
  static constexpr int kTileRows = 8;     ///< rows of a product's register tile
  static constexpr int kInterleaved = 4;  ///< tokens whose powers are computed side by side

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set(float x) { return _mm512_set1_ps(x); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Reg x) { _mm512_storeu_ps(p, x); }

  static Mask first(int count) { return static_cast<Mask>((1U << count) - 1U); }
  static Reg load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static void store(float* p, Mask m, Reg x) { _mm512_mask_storeu_ps(p, m, x); }
  static Reg keep(Mask m, Reg x) { return _mm512_maskz_mov_ps(m, x); }

  // Half precision as its 16 bits.
  static Reg load_bfloat16(const uint16_t* p, Mask m) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, p)), 16));
  }
  static void store_bfloat16(uint16_t* p, Mask m, Reg x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const Mask nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    rounded = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7fc00000));
    _mm256_mask_storeu_epi16(p, m, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
  static Reg load_float16(const uint16_t* p, Mask m) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p));
  }
  static void store_float16(uint16_t* p, Mask m, Reg x) {
    _mm256_mask_storeu_epi16(p, m, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }

  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }    // a b + c
  static Reg fms(Reg a, Reg b, Reg c) { return _mm512_fmsub_ps(a, b, c); }    // a b - c
  static Reg fnma(Reg a, Reg b, Reg c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a b
  // a b - c on even lanes, a b + c on odd ones; and the reverse.
  static Reg fmaddsub(Reg a, Reg b, Reg c) { return _mm512_fmaddsub_ps(a, b, c); }
  static Reg fmsubadd(Reg a, Reg b, Reg c) { return _mm512_fmsubadd_ps(a, b, c); }
  static Reg swap_pairs(Reg x) { return _mm512_permute_ps(x, 0xB1); }
  // The second operand where either is NaN.
  static Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg sqrt(Reg x) { return _mm512_sqrt_ps(x); }
  static Reg round(Reg x) { return _mm512_roundscale_ps(x, 0x08); }
  static Reg abs(Reg x) { return _mm512_abs_ps(x); }
  static Reg negate(Reg x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0F)); }
  static Reg copy_sign(Reg magnitude, Reg sign) {
    return _mm512_or_ps(magnitude, _mm512_and_ps(sign, _mm512_set1_ps(-0.0F)));
  }

  static Mask positive(Reg x) { return _mm512_cmp_ps_mask(x, zero(), _CMP_GT_OQ); }
  static Mask negative(Reg x) { return _mm512_cmp_ps_mask(x, zero(), _CMP_LT_OQ); }
  static Mask equal(Reg a, Reg b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
  static Reg select(Mask m, Reg yes, Reg no) { return _mm512_mask_mov_ps(no, m, yes); }
  static uint32_t bits(Mask m) { return m; }

  /// x 2^n for integral n, to infinity and to 0.
  static Reg scale(Reg x, Reg n) { return _mm512_scalef_ps(x, n); }

  struct Split {
    Reg exponent, mantissa;  ///< |x| = mantissa 2^exponent, mantissa in [sqrt(1/2), sqrt(2))
  };
  /// Finite for 0 and infinity; subnormal and NaN values give some finite numbers too.
  static Split split(Reg x) {
    const __m512i root = _mm512_set1_epi32(0x3F3504F3);  // sqrt(1/2)
    const __m512i shifted = _mm512_sub_epi32(_mm512_castps_si512(abs(x)), root);
    const __m512i fraction = _mm512_and_si512(shifted, _mm512_set1_epi32(0x7FFFFF));
    return {_mm512_cvtepi32_ps(_mm512_srai_epi32(shifted, 23)),
            _mm512_castsi512_ps(_mm512_add_epi32(fraction, root))};
  }

  /// The sums of sixteen rows of sixteen floats, row by row.
  static Reg row_sums(const float* rows) {
    __m512 quad[4];  // [i]: lanes 4 j + r hold a part of the sum of row 4 i + r
    for (int i = 0; i < 4; ++i) {
      const float* p = rows + i * 64;
      const __m512 ab = add_interleaved(load(p), load(p + 16));
      const __m512 cd = add_interleaved(load(p + 32), load(p + 48));
      quad[i] = _mm512_shuffle_ps(ab, cd, 0x44) + _mm512_shuffle_ps(ab, cd, 0xEE);
    }
    const __m512 low = add_quarters(quad[0], quad[1]);
    const __m512 high = add_quarters(quad[2], quad[3]);
    return add_quarters(low, high);
  }

 private:
  static Reg add_interleaved(Reg a, Reg b) {
    return _mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b);
  }
  static Reg add_quarters(Reg a, Reg b) {
    return _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xDD);
  }
};

}  // namespace nala::ops::cpu
