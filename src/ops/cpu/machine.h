// Which instruction sets the processor at hand has.
#pragma once

#include <string_view>

#include "ops/cpu/epilogue_rows.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/layer_kernels.h"
#include "ops/export.h"

namespace nala::ops::cpu {

/// Empty, or what the processor lacks for the kernels that are compiled for AVX2 or AVX-512.
std::string_view avx2_missing();
std::string_view avx512_missing();

/// The fastest kernels of each kind for this processor; null members where it has no AVX2.
struct MachineKernels {
  const LayerKernels* layers = nullptr;
  const LayerKernels* exact = nullptr;  ///< the same in float32
  const Kernels* attention = nullptr;
  const EpilogueKernels* epilogue = nullptr;
};

/// layers->precision tells what the processor offers: float32 where bfloat16 is wanted in vain.
NALA_OPS_API MachineKernels machine_kernels(Precision precision);

}  // namespace nala::ops::cpu
