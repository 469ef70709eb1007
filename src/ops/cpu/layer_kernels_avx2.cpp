// Compiled with AVX2 switched on: nothing here may be called on a machine without it.
#include "ops/cpu/layer_table.h"
#include "ops/cpu/vector_avx2.h"

namespace nala::ops::cpu {

extern constinit const LayerKernels kLayersAvx2 =
    layer_kernels<Avx2, Float32Factors<Avx2>>(Precision::float32);

}  // namespace nala::ops::cpu
