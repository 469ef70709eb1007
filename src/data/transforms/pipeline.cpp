#include "data/transforms/pipeline.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "data/transforms/affine.h"
#include "data/transforms/color_jitter.h"
#include "data/transforms/crop.h"
#include "data/transforms/normalise.h"
#include "data/transforms/random_erasing.h"
#include "data/transforms/resize.h"

namespace nala::data {
namespace {

// The short side before the crop.
int64_t eval_side(const DataConfig& config) {
  const int64_t side = std::min(config.height(), config.width());
  if (config.eval.resize != 0) {
    return config.eval.resize;
  }
  return side > 224 ? side : static_cast<int64_t>(256.0 / 224.0 * static_cast<double>(side));
}

// A width x height picture's size before the crop.
Window eval_size(int64_t width, int64_t height, const DataConfig& config) {
  const int64_t side = eval_side(config);
  if (config.height() == config.width()) {
    const int64_t longer = side * std::max(width, height) / std::min(width, height);
    return width <= height ? Window{0, 0, side, longer} : Window{0, 0, longer, side};
  }
  const auto short_side = static_cast<double>(std::min(config.height(), config.width()));
  const double scale = static_cast<double>(side) / short_side;
  const auto target_height = std::floor(static_cast<double>(config.height()) * scale);
  const auto target_width = std::floor(static_cast<double>(config.width()) * scale);
  const double shrink = std::min(static_cast<double>(height) / target_height,
                                 static_cast<double>(width) / target_width);
  const auto shrunk = [&](int64_t length) {
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(length) / shrink));
  };
  return {0, 0, std::max(shrunk(width), config.width()), std::max(shrunk(height), config.height())};
}

// The resize of a width x height picture, and the part of the result that is kept.
PartialResize eval_resize(int64_t width, int64_t height, const DataConfig& config) {
  if (config.eval.crop == EvalCrop::none) {
    return {
        width, height, config.width(), config.height(), {0, 0, config.width(), config.height()}};
  }
  const Window size = eval_size(width, height, config);
  return {width, height, size.width, size.height,
          centre_window(size.width, size.height, config.width(), config.height())};
}

at::Tensor normalised(const Image& image, const DataConfig& config) {
  at::Tensor out = at::empty(
      {1, 3, image.height, image.width},
      at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));  // (1, 3, H, W)
  Normaliser(config.mean, config.std)(image, out.data_ptr<float>());
  return out;
}

}  // namespace

TrainTransform::TrainTransform(const DataConfig& config)
    : config_(config), fill_(mean_colour(config)) {
  if (!config.augment.policy.empty()) {
    policy_.emplace(config.augment.policy);
  }
}

std::optional<Interpolation> TrainTransform::interpolation() const {
  return config_.augment.interpolation == TrainInterpolation::random
             ? std::nullopt
             : std::optional(config_.interpolation);
}

Part TrainTransform::choose(int64_t width, int64_t height, Rng& rng) const {
  const AugmentConfig& augment = config_.augment;
  Part part{{0, 0, width, height}};
  if (augment.crop == TrainCrop::random_resized) {
    const WindowBounds bounds{augment.scale[0], augment.scale[1], augment.ratio[0],
                              augment.ratio[1]};
    part.window = random_resized_window(width, height, bounds, rng);
  }
  if (config_.fast_decode) {
    part.width = config_.width();
    part.height = config_.height();
  }
  return part;
}

Image TrainTransform::operator()(const Image& part, Rng& rng) const {
  const AugmentConfig& augment = config_.augment;
  std::optional<Interpolation> kind = interpolation();
  if (!kind) {
    kind = rng.chance(0.5) ? Interpolation::bicubic : Interpolation::bilinear;
  }
  Image out = resize(part, config_.width(), config_.height(), *kind);
  if (augment.crop == TrainCrop::padded) {
    out = random_padded_crop(out, augment.padding, rng);
  }
  if (rng.chance(augment.flip)) {
    flip_horizontal(out);
  }
  if (augment.affine.probability > 0) {
    out = random_affine(out, config_, rng);
  }
  if (policy_) {
    out = (*policy_)(std::move(out), interpolation(), fill_, rng);
  }
  jitter_colors(out, augment.color_jitter, rng);
  return out;
}

void TrainTransform::erase(float* values, Rng& rng) const {
  erase_randomly(config_.augment.erasing, config_.width(), config_.height(), values, rng);
}

Part EvalTransform::choose(int64_t width, int64_t height) const {
  const PartialResize resize = eval_resize(width, height, config_);
  if (config_.fast_decode) {
    return {{0, 0, width, height}, resize.out_width, resize.out_height};
  }
  return {needed_for(resize, config_.interpolation)};
}

Image EvalTransform::operator()(const Image& part, int64_t width, int64_t height) const {
  if (config_.fast_decode) {
    // The whole picture, at whatever resolution it came.
    return resize_part(part, {}, eval_resize(part.width, part.height, config_),
                       config_.interpolation);
  }
  const PartialResize resize = eval_resize(width, height, config_);
  return resize_part(part, needed_for(resize, config_.interpolation), resize,
                     config_.interpolation);
}

Image augment(const Image& image, const DataConfig& config, Rng& rng) {
  const TrainTransform transform(config);
  return transform(crop(image, transform.choose(image.width, image.height, rng).window), rng);
}

Image resize_for_eval(const Image& image, const DataConfig& config) {
  return resize_part(image, {}, eval_resize(image.width, image.height, config),
                     config.interpolation);
}

at::Tensor prepare_for_eval(const Image& image, const DataConfig& config) {
  return normalised(resize_for_eval(image, config), config);
}

at::Tensor read_for_eval(const std::filesystem::path& path, const DataConfig& config) {
  const EvalTransform transform(config);
  const DecodedPart part = read_part(
      path, [&](int64_t width, int64_t height) { return transform.choose(width, height); });
  return normalised(transform(part.image, part.width, part.height), config);
}

}  // namespace nala::data
