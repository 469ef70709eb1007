// Tensors as the CUDA kernels can read them.
#pragma once

#include <ATen/core/Tensor.h>

namespace nala::cuda {

/// x itself if its channels (the last dimension) are neighbours, the other strides are multiples of
/// four elements and the address is aligned to four; else a contiguous copy. Slices of a packed
/// projection and expanded tensors are read in place.
at::Tensor readable(const at::Tensor& x);

}  // namespace nala::cuda
