// Compiled with AVX-512 BF16 switched on: nothing here may be called on a machine without it.
#include "ops/cpu/layer_table.h"
#include "ops/cpu/vector_avx512.h"

namespace nala::ops::cpu {
namespace {

// Apart from Avx512, so that nothing compiled here takes the place of what is compiled there.
struct Avx512Bf16 : Avx512 {
  static void store_bfloat16(uint16_t* p, Mask m, Reg x) {
    _mm256_mask_storeu_epi16(p, m, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
};

// Pairs of bfloat16 values are multiplied and added to one float32 sum.
struct Bfloat16Factors {
  using Value = uint16_t;
  using Packed = __m512bh;
  static constexpr int kDepth = 2;
  static Packed load(const Value* p) { return reinterpret_cast<Packed>(_mm512_loadu_si512(p)); }
  static __m512 multiply_add(const Value* a, Packed b, __m512 sum) {
    int32_t pair = 0;
    std::memcpy(&pair, a, sizeof pair);
    return _mm512_dpbf16_ps(sum, reinterpret_cast<Packed>(_mm512_set1_epi32(pair)), b);
  }
};

}  // namespace

extern constinit const LayerKernels kLayersAvx512Bf16 =
    layer_kernels<Avx512Bf16, Bfloat16Factors>(Precision::bfloat16);

}  // namespace nala::ops::cpu
