#include "ops/cuda/tensor_memory.h"

#include <ATen/ATen.h>

namespace nala::cuda {

at::Tensor readable(const at::Tensor& x) {
  const int64_t last = x.dim() - 1;
  bool in_place = x.stride(last) == 1 || x.size(last) == 1;
  for (int64_t i = 0; i < last; ++i) {
    in_place &= x.size(i) == 1 || x.stride(i) % 4 == 0;
  }
  const auto address = reinterpret_cast<uintptr_t>(x.const_data_ptr());
  return in_place && address % (4 * x.element_size()) == 0 ? x
                                                           : x.clone(at::MemoryFormat::Contiguous);
}

}  // namespace nala::cuda
