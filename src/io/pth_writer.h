// Weights as Python's torch.save writes them.
#pragma once

#include <filesystem>

#include "io/named_tensors.h"

namespace nala::io {

/// Writes {"model": {name: tensor, ...}}, in the order given, which `torch.load(weights_only=True)`
/// and the authors' code read. Tensors: on the CPU, contiguous, of float64, float32, float16,
/// bfloat16, the signed integers, uint8 or bool. Under the rules of write_file().
///
/// The container is LibTorch's own; the pickle in it holds dictionaries, texts, numbers and calls
/// of torch._utils._rebuild_tensor_v2 alone. Throws Error(file), Error(checkpoint) for another
/// dtype.
void write_pth(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace nala::io
