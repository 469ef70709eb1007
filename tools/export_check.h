// Running what export wrote.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nala::tools {

/// Pictures (B, C, H, W) that the written file and the network are compared on.
struct CheckedShape {
  int64_t batch = 1, channels = 3, height = 0, width = 0;
};

/// Images -> what is computed of them.
using Run = std::function<at::Tensor(const at::Tensor& images)>;

/// One picture of the configured size, a batch of three of another, non-square size, and a small
/// odd one: files whose sizes are free have to work for all.
std::vector<CheckedShape> checked_shapes(int64_t channels, int64_t height, int64_t width);

/// How far two computations are apart on pictures of noise in these shapes, float32 (B, C, H, W) or
/// with `bytes` uint8 (B, H, W, C): the largest |found - expected| / max |expected|; where they
/// give uint8, the largest share of values that differ. Infinite where a shape or a value is wrong,
/// or the values of a picture differ by more than one.
double largest_relative_error(const Run& expected,
                              const Run& found,
                              const std::vector<CheckedShape>& shapes,
                              bool bytes);

/// The TorchScript file, loaded.
Run torchscript_runner(const std::filesystem::path& file);

/// The ONNX file in onnxruntime, through the `python3` of PATH; nothing where that cannot import
/// onnxruntime. Calls throw Error(data) with what Python said.
std::optional<Run> onnx_runner(const std::filesystem::path& file);

}  // namespace nala::tools
