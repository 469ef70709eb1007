#include "data/transforms/pipeline.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "data/transforms/affine.h"
#include "data/transforms/crop.h"
#include "data/transforms/resize.h"

namespace nala::data {
namespace {

Image random_crop(const Image& image, const DataConfig& config, Rng& rng) {
  const AugmentConfig& augment = config.augment;
  if (augment.crop == TrainCrop::random_resized) {
    const WindowBounds bounds{augment.scale[0], augment.scale[1], augment.ratio[0],
                              augment.ratio[1]};
    const Window window = random_resized_window(image.width, image.height, bounds, rng);
    return resize(image, window, config.width(), config.height(), config.interpolation);
  }
  Image resized = resize(image, config.width(), config.height(), config.interpolation);
  return augment.crop == TrainCrop::padded ? random_padded_crop(resized, augment.padding, rng)
                                           : resized;
}

// The short side before the crop.
int64_t eval_side(const DataConfig& config) {
  const int64_t side = std::min(config.height(), config.width());
  if (config.eval.resize != 0) {
    return config.eval.resize;
  }
  return side > 224 ? side : static_cast<int64_t>(256.0 / 224.0 * static_cast<double>(side));
}

// The picture's size before the crop.
Window eval_size(const Image& image, const DataConfig& config) {
  const int64_t side = eval_side(config);
  if (config.height() == config.width()) {
    const int64_t longer =
        side * std::max(image.width, image.height) / std::min(image.width, image.height);
    return image.width <= image.height ? Window{0, 0, side, longer} : Window{0, 0, longer, side};
  }
  const auto short_side = static_cast<double>(std::min(config.height(), config.width()));
  const double scale = static_cast<double>(side) / short_side;
  const auto target_height = std::floor(static_cast<double>(config.height()) * scale);
  const auto target_width = std::floor(static_cast<double>(config.width()) * scale);
  const auto height = static_cast<double>(image.height);
  const auto width = static_cast<double>(image.width);
  const double shrink = std::min(height / target_height, width / target_width);
  return {0, 0, std::max(static_cast<int64_t>(std::nearbyint(width / shrink)), config.width()),
          std::max(static_cast<int64_t>(std::nearbyint(height / shrink)), config.height())};
}

}  // namespace

Image augment(const Image& image, const DataConfig& config, Rng& rng) {
  Image out = random_crop(image, config, rng);
  if (rng.chance(config.augment.flip)) {
    flip_horizontal(out);
  }
  return random_affine(out, config, rng);
}

Image resize_for_eval(const Image& image, const DataConfig& config) {
  if (config.eval.crop == EvalCrop::none) {
    return resize(image, config.width(), config.height(), config.interpolation);
  }
  const Window size = eval_size(image, config);
  const Window centre = centre_window(size.width, size.height, config.width(), config.height());
  return resize_part(image, size.width, size.height, centre, config.interpolation);
}

at::Tensor prepare_for_eval(const Image& image, const DataConfig& config) {
  at::Tensor out = at::empty(
      {1, 3, config.height(), config.width()},
      at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));  // (1, 3, H, W)
  Normaliser(config.mean, config.std)(resize_for_eval(image, config), out.data_ptr<float>());
  return out;
}

}  // namespace nala::data
