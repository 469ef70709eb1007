#include <immintrin.h>

#include "ops/cpu/epilogue_rows.h"

namespace nala::ops::cpu {
namespace {

using Vector = float __attribute__((vector_size(64)));
using Bits = uint32_t __attribute__((vector_size(64)));
using HalfBits = uint16_t __attribute__((vector_size(32)));

// With a mask, because GCC 12 warns of its own unmasked forms.
constexpr __mmask16 kAll = 0xFFFF;

Vector widened_float16(HalfBits x) {
  return reinterpret_cast<Vector>(_mm512_maskz_cvtph_ps(kAll, reinterpret_cast<__m256i>(x)));
}

HalfBits narrowed_float16(Vector x) {
  return reinterpret_cast<HalfBits>(
      _mm512_maskz_cvtps_ph(kAll, reinterpret_cast<__m512>(x), _MM_FROUND_TO_NEAREST_INT));
}

}  // namespace
}  // namespace nala::ops::cpu

#include "ops/cpu/epilogue_rows_body.h"

namespace nala::ops::cpu {
const EpilogueKernels kEpilogueAvx512 = {forward_rows, backward_rows};
}
