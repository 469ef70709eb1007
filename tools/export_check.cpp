#include "export_check.h"

#include <torch/script.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "data/run_program.h"
#include "scratch_folder.h"

namespace nala::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kImport = "import numpy, onnxruntime";
// Arguments: model, file of the input, its type, its four sizes, file for the output (float32).
// Prints the output's sizes.
constexpr const char* kRunOnnx = R"py(
import sys
import numpy as np
import onnxruntime
model, source, kind, *sizes, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
images = np.fromfile(source, kind).reshape([int(size) for size in sizes])
output = session.run(None, {session.get_inputs()[0].name: images})[0]
output.astype(np.float32).tofile(target)
print(*output.shape)
)py";

at::Tensor noise(const CheckedShape& shape) {
  const at::Tensor ramp =
      at::arange(shape.batch * shape.channels * shape.height * shape.width, at::kDouble);
  return (ramp * 0.7)
      .sin()
      .to(at::kFloat)
      .reshape({shape.batch, shape.channels, shape.height, shape.width});
}

// (B, H, W, C) uint8
at::Tensor byte_noise(const CheckedShape& shape) {
  return (noise(shape) * 127.5 + 127.5).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

double error_of(const at::Tensor& given, const at::Tensor& wanted) {
  const at::Tensor difference =
      (given.to(at::kFloat) - wanted.to(at::kFloat)).abs();  // of the output's shape
  if (wanted.scalar_type() != at::kByte) {
    return difference.max().item<double>() / wanted.abs().max().clamp_min(1e-30).item<double>();
  }
  const bool picture = wanted.dim() == 4;
  return picture && difference.max().item<double>() > 1
             ? std::numeric_limits<double>::infinity()
             : difference.ne(0).to(at::kDouble).mean().item<double>();
}

at::Tensor run_onnx(const fs::path& file, const at::Tensor& images) {
  const ScratchFolder scratch;
  const at::Tensor plain = images.contiguous();
  write_file(scratch.path() / "images",
             {static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
  std::vector<std::string> words{"python3", "-c",
                                 kRunOnnx,  fs::absolute(file).string(),
                                 "images",  plain.scalar_type() == at::kByte ? "uint8" : "float32"};
  for (const int64_t size : plain.sizes()) {
    words.push_back(std::to_string(size));
  }
  words.emplace_back("output");
  std::istringstream printed(data::run_program(words, scratch.path()));
  std::vector<int64_t> shape;
  for (int64_t size = 0; printed >> size;) {
    shape.push_back(size);
  }
  const std::string bytes = read_file(scratch.path() / "output");
  at::Tensor output = at::empty(shape);
  if (bytes.size() != output.nbytes()) {
    throw Error(ErrorKind::data, file.string() + ": onnxruntime gave an output of another size");
  }
  std::copy(bytes.begin(), bytes.end(), static_cast<char*>(output.data_ptr()));
  return output;
}

}  // namespace

std::vector<CheckedShape> checked_shapes(int64_t channels, int64_t height, int64_t width) {
  return {{1, channels, height, width},
          {3, channels, std::max<int64_t>(8, height * 3 / 4), std::max<int64_t>(8, width / 2)},
          {2, channels, 33, 47}};
}

double largest_relative_error(const Run& expected,
                              const Run& found,
                              const std::vector<CheckedShape>& shapes,
                              bool bytes) {
  const at::NoGradGuard no_grad;
  double largest = 0;
  for (const CheckedShape& shape : shapes) {
    const at::Tensor images = bytes ? byte_noise(shape) : noise(shape);
    const at::Tensor wanted = expected(images);
    const at::Tensor given = found(images);
    const double error = given.sizes() == wanted.sizes() ? error_of(given, wanted)
                                                         : std::numeric_limits<double>::infinity();
    largest =
        std::isfinite(error) ? std::max(largest, error) : std::numeric_limits<double>::infinity();
  }
  return largest;
}

Run torchscript_runner(const fs::path& file) {
  torch::jit::Module module = torch::jit::load(file.string(), at::kCPU);
  module.eval();
  return [module](const at::Tensor& images) mutable { return module.forward({images}).toTensor(); };
}

std::optional<Run> onnx_runner(const fs::path& file) {
  try {
    data::run_program({"python3", "-c", kImport}, fs::temp_directory_path());
  } catch (const Error&) {
    return std::nullopt;
  }
  return [file](const at::Tensor& images) { return run_onnx(file, images); };
}

}  // namespace nala::tools
