#include "data/transforms/dihedral.h"

#include <algorithm>

namespace nala::data {

Image oriented(const Image& image, const Dihedral& orientation) {
  const int64_t channels = image.channels;
  Image out = orientation.transpose ? Image(image.height, image.width, channels)
                                    : Image(image.width, image.height, channels);
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      int64_t from_x = orientation.transpose ? y : x;
      int64_t from_y = orientation.transpose ? x : y;
      from_x = orientation.mirror ? image.width - 1 - from_x : from_x;
      from_y = orientation.flip ? image.height - 1 - from_y : from_y;
      std::copy_n(image.row(from_y) + from_x * channels, channels, out.row(y) + x * channels);
    }
  }
  return out;
}

}  // namespace nala::data
