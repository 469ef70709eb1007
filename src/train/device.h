// Which device to compute on, and the libraries it needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace nala::train {

/// `auto` (where one can be used the CUDA device of this process, see Launch; else the CPU),
/// `cpu`, `cuda` or `cuda:N`. The program links the CPU part of LibTorch alone; the CUDA part is
/// loaded here when it is asked for, and our CUDA operators with it. Throws Error(usage) with the
/// reason when the device asked for cannot be used.
at::Device resolve_device(const std::string& name);

/// Why no CUDA device can be used; empty when one can.
std::string cuda_obstacle();

}  // namespace nala::train
