#include "data/transforms/normalise.h"

namespace nala::data {

Normaliser::Normaliser(const std::vector<double>& mean, const std::vector<double>& std) {
  for (size_t value = 0; value < table_.size(); ++value) {
    for (size_t c = 0; c < 3; ++c) {
      const float scaled = static_cast<float>(value) / 255.0F;
      table_[value][c] = (scaled - static_cast<float>(mean[c])) / static_cast<float>(std[c]);
    }
  }
}

void Normaliser::operator()(const Image& image, float* out) const {
  const uint8_t* in = image.pixels.data();
  const uint8_t* end = in + image.pixels.size();
  for (; in != end; in += 3, out += 3) {
    out[0] = table_[in[0]][0];
    out[1] = table_[in[1]][1];
    out[2] = table_[in[2]][2];
  }
}

}  // namespace nala::data
