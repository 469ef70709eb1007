#include "linear_attention_launch.cuh"

namespace nala::cuda {

template void launch_forward<Dtype::float32>(const ForwardCall& call, const void* stream);
template void launch_backward<Dtype::float32>(const BackwardCall& call, const void* stream);

}  // namespace nala::cuda
