// Reading the golden fixtures without torch.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace nala::cuda_host {

struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// The float32 tensors of a safetensors file that this project wrote itself; others are left out.
/// Throws std::runtime_error if the file cannot be read or its offsets do not fit.
std::map<std::string, FloatTensor> float_tensors(const std::filesystem::path& path);

}  // namespace nala::cuda_host
