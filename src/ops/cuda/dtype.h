// The element types that the CUDA kernels read and write; all arithmetic is float32.
#pragma once

namespace nala::cuda {

enum class Dtype : int { float32, bfloat16, float16 };

}  // namespace nala::cuda
