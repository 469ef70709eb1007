// Compiled with AVX-512 switched on: nothing here may be called on a machine without it.
#include "ops/cpu/kernel_table.h"
#include "ops/cpu/vector_avx512.h"

namespace nala::ops::cpu {

extern constinit const Kernels kAvx512Kernels = KernelTable<Avx512>::kernels;

}  // namespace nala::ops::cpu
