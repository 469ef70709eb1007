// Tensors as pictures.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/image.h"

namespace nala::data {

/// pixels: (H, W) or (H, W, 1 or 3) uint8, of any device and strides.
Image image_of(const at::Tensor& pixels);

}  // namespace nala::data
