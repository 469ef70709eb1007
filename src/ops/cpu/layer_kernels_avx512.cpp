// Compiled with AVX-512 switched on: nothing here may be called on a machine without it.
#include "ops/cpu/layer_table.h"
#include "ops/cpu/vector_avx512.h"

namespace nala::ops::cpu {

extern constinit const LayerKernels kLayersAvx512 =
    layer_kernels<Avx512, Float32Factors<Avx512>>(Precision::float32);

}  // namespace nala::ops::cpu
