// Linear attention on the CPU: the kernels of ops/cpu/kernels.h on tensors, in parallel.
#pragma once

#include <string_view>

#include "ops/implementations.h"

namespace nala::ops::cpu {

/// Rows of the table of implementations, one per instruction set. Float32, bfloat16 and float16 of
/// any strides, d <= 128, lambda >= 1, tau >= 0; arithmetic in float32. Both follow the reference
/// in everything that it defines, rows of norm 0 or infinity and NaN included.
///
/// Work is cut into chunks of tokens that depend on N and d alone and summed in their order, so
/// that results are the same for any number of threads. Saves the state, the mean of phi_k and the
/// normaliser; features are computed again in the backward.
///
/// Extra memory beside results and gradients: at most 32 states of (f, d) floats, and per thread
/// one block of tokens with its features and up to four states.
std::string_view avx512_refuses(const Problem& problem);
Forward avx512_forward(const Problem& problem);
Gradients avx512_backward(const Problem& problem, const Forward& forward, const at::Tensor& dy);

std::string_view avx2_refuses(const Problem& problem);
Forward avx2_forward(const Problem& problem);
Gradients avx2_backward(const Problem& problem, const Forward& forward, const at::Tensor& dy);

}  // namespace nala::ops::cpu
