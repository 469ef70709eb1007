#include "ops/cpu/machine.h"

namespace nala::ops::cpu {

std::string_view avx512_missing() {
  const bool present = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return present ? "" : "the processor has no AVX-512 (F, BW, DQ, VL)";
}

std::string_view avx2_missing() {
  const bool present = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                       __builtin_cpu_supports("f16c");
  return present ? "" : "the processor has no AVX2 with FMA and F16C";
}

MachineKernels machine_kernels(Precision precision) {
  if (avx512_missing().empty()) {
    const bool bfloat16 =
        precision == Precision::bfloat16 && __builtin_cpu_supports("avx512bf16") != 0;
    return {bfloat16 ? &kLayersAvx512Bf16 : &kLayersAvx512, &kLayersAvx512, &kAvx512Kernels,
            &kEpilogueAvx512};
  }
  if (avx2_missing().empty()) {
    return {&kLayersAvx2, &kLayersAvx2, &kAvx2Kernels, &kEpilogueAvx2};
  }
  return {};
}

}  // namespace nala::ops::cpu
