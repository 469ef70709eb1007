#include "data/image_tensor.h"

#include <cstring>

namespace nala::data {

Image image_of(const at::Tensor& pixels) {
  const at::Tensor packed = pixels.cpu().contiguous();
  Image image(packed.size(1), packed.size(0), packed.dim() == 3 ? packed.size(2) : 1);
  std::memcpy(image.pixels.data(), packed.const_data_ptr(), image.pixels.size());
  return image;
}

}  // namespace nala::data
