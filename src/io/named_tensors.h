// Tensors by name, in order: what weight files hold and state dicts are.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace nala::io {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

}  // namespace nala::io
