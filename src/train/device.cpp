#include "train/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <filesystem>

#include "core/error.h"
#include "ops/implementations.h"
#include "train/distributed/launch.h"

namespace nala::train {
namespace {

// The folder that the library holding `function` was loaded from.
template <class Function>
std::filesystem::path folder_of(Function* function) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(function), &info) == 0 || info.dli_fname == nullptr) {
    return {};
  }
  return std::filesystem::path(info.dli_fname).parent_path();
}

// Our CUDA operators lie beside libnala_ops.so. Where they were not built, CUDA tensors go through
// the reference, in LibTorch's own operations.
void load_cuda_operators() {
  const auto library = folder_of(&ops::implementations) / "libnala_cuda.so";
  if (std::filesystem::exists(library) && ::dlopen(library.c_str(), RTLD_NOW) == nullptr) {
    throw Error(ErrorKind::usage,
                std::string("--device: the CUDA operators do not load: ") + ::dlerror());
  }
}

int device_index(const std::string& text) {
  if (text.empty() || text.size() > 3 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    throw Error(ErrorKind::usage,
                "--device: expected auto, cpu, cuda or cuda:N, found cuda:" + text);
  }
  return std::stoi(text);
}

// One device per process of this machine; launchers may show each process its own device alone.
int device_of_process() {
  const int64_t rank = detect_launch().local_rank;
  return at::detail::getCUDAHooks().deviceCount() == 1 ? 0 : static_cast<int>(rank);
}

}  // namespace

std::string cuda_obstacle() {
  if (!std::filesystem::exists("/dev/nvidiactl")) {
    return "this machine has no NVIDIA device (/dev/nvidiactl is missing)";
  }
  const auto library = folder_of(&at::globalContext) / "libtorch_cuda.so";
  if (::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return ::dlerror();
  }
  return at::hasCUDA() ? "" : "the CUDA driver reports no device";
}

at::Device resolve_device(const std::string& name) {
  if (name == "cpu") {
    return at::kCPU;
  }
  if (name == "auto") {
    if (!cuda_obstacle().empty()) {
      return at::kCPU;
    }
    load_cuda_operators();
    return {at::kCUDA, static_cast<at::DeviceIndex>(device_of_process())};
  }
  if (name != "cuda" && !name.starts_with("cuda:")) {
    throw Error(ErrorKind::usage, "--device: expected auto, cpu, cuda or cuda:N, found " + name);
  }
  const std::string obstacle = cuda_obstacle();
  if (!obstacle.empty()) {
    throw Error(ErrorKind::usage, "--device " + name + ": " + obstacle);
  }
  load_cuda_operators();
  const int index = name == "cuda" ? device_of_process() : device_index(name.substr(5));
  return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
}

}  // namespace nala::train
