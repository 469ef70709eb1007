// Compiled with AVX2 switched on: nothing here may be called on a machine without it.
#include "ops/cpu/kernel_table.h"
#include "ops/cpu/vector_avx2.h"

namespace nala::ops::cpu {

extern constinit const Kernels kAvx2Kernels = KernelTable<Avx2>::kernels;

}  // namespace nala::ops::cpu
