#include "data/samples/super_resolution.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

#include "data/transforms/dihedral.h"

namespace nala::data {
namespace {

// Values / 255 of a picture, repeated over `channels` where it has one. (H, W, channels) float32.
template <class T>
at::Tensor to_tensor(const Image& shape,
                     const std::vector<T>& values,
                     int64_t channels,
                     at::Tensor place = {}) {
  at::Tensor tensor =
      given_or_new(std::move(place), {shape.height, shape.width, channels});  // (H, W, channels)
  auto* out = tensor.data_ptr<float>();
  const int64_t repeat = channels / shape.channels;
  for (const T value : values) {
    out = std::fill_n(out, repeat, static_cast<float>(value) / 255.0F);
  }
  return tensor;
}

at::Tensor to_tensor(const Image& image, int64_t channels, at::Tensor place = {}) {
  return to_tensor(image, image.pixels, channels, std::move(place));
}

// `window` of a picture that goes on mirrored beyond its right and lower border.
Image mirrored_crop(const Image& image, const Window& window) {
  const auto mirrored = [](int64_t i, int64_t length) {
    i %= 2 * length;
    return i < length ? i : 2 * length - 1 - i;
  };
  Image out(window.width, window.height, image.channels);
  for (int64_t y = 0; y < window.height; ++y) {
    const uint8_t* row = image.row(mirrored(window.top + y, image.height));
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < window.width; ++x) {
      to = std::copy_n(row + mirrored(window.left + x, image.width) * image.channels,
                       image.channels, to);
    }
  }
  return out;
}

// A window of at most `wanted` at a uniform place along one side.
std::pair<int64_t, int64_t> drawn_range(int64_t side, int64_t wanted, Rng& rng) {
  const int64_t length = std::min(side, wanted);
  return {rng.integer(side - length + 1), length};
}

}  // namespace

SuperResolutionSamples::SuperResolutionSamples(std::shared_ptr<const SuperResolutionSets> sets,
                                               const DataConfig& config,
                                               Split split)
    : sets_(std::move(sets)), config_(config), split_(split) {}

void SuperResolutionSamples::set_epoch(int64_t epoch) {
  if (const auto side = config_.augment.size_in(epoch)) {
    config_.image_size = {*side};
  }
}

std::optional<SampleShape> SuperResolutionSamples::shape() const {
  if (split_ == Split::val) {
    return std::nullopt;
  }
  const int64_t scale = config_.super_resolution.scale;
  return SampleShape{.image = {config_.height(), config_.width(), 3},
                     .target = {config_.height() * scale, config_.width() * scale, 3},
                     .target_type = at::kFloat};
}

MadeSample SuperResolutionSamples::patch(const PicturePair& pair,
                                         Rng& rng,
                                         MadeSample place) const {
  const SuperResolutionData& options = config_.super_resolution;
  const int64_t scale = options.scale;
  const Image& high = pair.target;
  Window low;  // of the low-resolution picture
  std::tie(low.left, low.width) = drawn_range(high.width / scale, config_.width(), rng);
  std::tie(low.top, low.height) = drawn_range(high.height / scale, config_.height(), rng);
  const bool made = pair.image.pixels.empty();
  const Image source =
      made ? matlab_reduce(high, scale, options.form, low) : mirrored_crop(pair.image, low);
  const Image image = mirrored_crop(source, {0, 0, config_.width(), config_.height()});
  const Image part = mirrored_crop(
      high, {low.left * scale, low.top * scale, low.width * scale, low.height * scale});
  const Image target =
      mirrored_crop(part, {0, 0, config_.width() * scale, config_.height() * scale});
  Dihedral orientation = options.dihedral ? Dihedral::drawn(rng) : Dihedral{};
  // Patches of one batch have one shape.
  orientation.transpose = orientation.transpose && config_.width() == config_.height();
  return {.image = to_tensor(oriented(image, orientation), 3, std::move(place.image)),
          .target = to_tensor(oriented(target, orientation), 3, std::move(place.target))};
}

MadeSample SuperResolutionSamples::make(int64_t index, Rng& rng, MadeSample place) const {
  const auto pair = sets_->pair(index);
  if (split_ == Split::train) {
    return patch(*pair, rng, std::move(place));
  }
  const SuperResolutionData& options = config_.super_resolution;
  MadeSample made{.target = to_tensor(pair->target, pair->target.channels)};
  if (options.protocol == SuperResolutionProtocol::C) {
    made.image = reduced_unrounded(pair->target, options.scale);
  } else {
    made.image = to_tensor(pair->image.pixels.empty()
                               ? matlab_reduce(pair->target, options.scale, options.form)
                               : pair->image,
                           3);
  }
  return made;
}

at::Tensor reduced_unrounded(const Image& high, int64_t scale) {
  const RealImage low = matlab_resize(to_real(high), {.divide = scale});
  // Of the size and channels alone.
  const Image shape{low.width, low.height, low.channels};
  return to_tensor(shape, low.values, 3);
}

}  // namespace nala::data
