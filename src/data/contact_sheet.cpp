#include "data/contact_sheet.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace nala::data {
namespace {

constexpr int64_t kGap = 2;

}  // namespace

Image contact_sheet(const Batch& batch, const DataConfig& config, int64_t columns) {
  const at::Tensor pictures = batch.images.permute({0, 2, 3, 1}).contiguous();  // (B, H, W, 3)
  const int64_t count = pictures.size(0);
  const int64_t height = pictures.size(1);
  const int64_t width = pictures.size(2);
  columns = std::clamp<int64_t>(columns, 1, count);
  const int64_t rows = (count + columns - 1) / columns;
  Image sheet(columns * (width + kGap) - kGap, rows * (height + kGap) - kGap);
  std::fill(sheet.pixels.begin(), sheet.pixels.end(), uint8_t{255});
  const auto* values = pictures.const_data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t y = 0; y < height; ++y) {
      uint8_t* out =
          sheet.row(i / columns * (height + kGap) + y) + i % columns * (width + kGap) * 3;
      for (int64_t at = 0; at < 3 * width; ++at) {
        const auto c = static_cast<size_t>(at % 3);
        const double unit = *values++ * config.std[c] + config.mean[c];
        out[at] = static_cast<uint8_t>(std::clamp<int64_t>(std::llround(255.0 * unit), 0, 255));
      }
    }
  }
  return sheet;
}

}  // namespace nala::data
