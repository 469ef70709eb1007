#include <immintrin.h>

#include "ops/cpu/epilogue_rows.h"

namespace nala::ops::cpu {
namespace {

using Vector = float __attribute__((vector_size(32)));
using Bits = uint32_t __attribute__((vector_size(32)));
using HalfBits = uint16_t __attribute__((vector_size(16)));

Vector widened_float16(HalfBits x) {
  return reinterpret_cast<Vector>(_mm256_cvtph_ps(reinterpret_cast<__m128i>(x)));
}

HalfBits narrowed_float16(Vector x) {
  return reinterpret_cast<HalfBits>(
      _mm256_cvtps_ph(reinterpret_cast<__m256>(x), _MM_FROUND_TO_NEAREST_INT));
}

}  // namespace
}  // namespace nala::ops::cpu

#include "ops/cpu/epilogue_rows_body.h"

namespace nala::ops::cpu {
const EpilogueKernels kEpilogueAvx2 = {forward_rows, backward_rows};
}
