// Running what export wrote.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/model.h"

namespace nala::tools {

/// Pictures (B, C, H, W) that the written file and the network are compared on.
struct CheckedShape {
  int64_t batch = 1, channels = 3, height = 0, width = 0;
};

/// One picture of the configured size, a batch of three of another, non-square size, and a small
/// odd one: files whose sizes are free have to work for all.
std::vector<CheckedShape> checked_shapes(int64_t channels, int64_t height, int64_t width);

/// Images -> the network's output.
using Run = std::function<at::Tensor(const at::Tensor& images)>;

/// The largest |found - expected| / max |expected| over pictures of noise in these shapes; infinite
/// where a shape or a value is wrong.
double largest_relative_error(models::Model& expected,
                              const Run& found,
                              const std::vector<CheckedShape>& shapes);

/// The TorchScript file, loaded.
Run torchscript_runner(const std::filesystem::path& file);

/// The ONNX file in onnxruntime, through the `python3` of PATH; nothing where that cannot import
/// onnxruntime. Calls throw Error(data) with what Python said.
std::optional<Run> onnx_runner(const std::filesystem::path& file);

}  // namespace nala::tools
