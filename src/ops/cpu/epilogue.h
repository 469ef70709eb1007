// The epilogue on the CPU: vectorised where the machine and the dtypes allow it.
#pragma once

#include "ops/epilogue_kernels.h"

namespace nala::ops::cpu {

/// As reference_epilogue_forward() and _backward(), which they fall back to for float64 and on
/// machines without AVX2. Rows are summed in chunks of fixed size: the same values for any number
/// of threads. Thread-safe.
EpilogueResult epilogue_forward(const Epilogue& epilogue);
EpilogueGradients epilogue_backward(const Epilogue& epilogue,
                                    const EpilogueResult& result,
                                    const at::Tensor& dout);

}  // namespace nala::ops::cpu
