// Bytes that stand for true and false.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace nala::io {

/// Throws Error(checkpoint) naming file and key if a contiguous CPU tensor of bool holds a byte
/// other than 0 and 1, which has no defined meaning to code that reads it. Other dtypes pass.
void check_truth_values(const at::Tensor& tensor, const std::string& file, const std::string& key);

}  // namespace nala::io
