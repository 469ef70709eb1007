#include "data/samples/segmentation.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "data/label_map.h"
#include "data/transforms/segmentation.h"

namespace nala::data {
namespace {

// (H, W) or (H, W, 3) uint8 with the picture's pixels.
at::Tensor pixels_of(const Image& image) {
  at::Tensor pixels = at::empty({image.height, image.width, image.channels}, at::kByte);
  std::memcpy(pixels.data_ptr(), image.pixels.data(), image.pixels.size());
  return image.channels == 1 ? pixels.squeeze(2) : pixels;
}

std::shared_ptr<const PairDataset> as_pairs(const std::shared_ptr<const Dataset>& dataset) {
  auto pairs = std::dynamic_pointer_cast<const PairDataset>(dataset);
  if (!pairs) {
    throw Error(ErrorKind::config,
                "task: segmentation needs pictures with label maps: data.name=ade20k");
  }
  return pairs;
}

}  // namespace

SegmentationSamples::SegmentationSamples(const std::shared_ptr<const Dataset>& dataset,
                                         const DataConfig& config,
                                         Split split)
    : dataset_(as_pairs(dataset)),
      config_(config),
      split_(split),
      normaliser_(config.mean, config.std) {}

std::optional<SampleShape> SegmentationSamples::shape() const {
  if (split_ == Split::val) {
    return std::nullopt;
  }
  return SampleShape{.image = {config_.height(), config_.width(), 3},
                     .target = {config_.height(), config_.width()}};
}

MadeSample SegmentationSamples::make(int64_t index, Rng& rng, MadeSample place) const {
  PicturePair pair = dataset_->load_pair(index);
  if (split_ == Split::val) {
    return {.image = pixels_of(pair.image), .target = pixels_of(pair.target)};
  }
  pair = augment_segmentation(pair, config_, rng);
  const int64_t height = config_.height();
  const int64_t width = config_.width();
  place.image = given_or_new(place.image, {height, width, 3});            // (H, W, 3)
  place.target = given_or_new(place.target, {height, width}, at::kByte);  // (H, W)
  auto* values = place.image.data_ptr<float>();
  auto* labels = place.target.data_ptr<uint8_t>();
  std::fill_n(values, place.image.numel(), 0.0F);
  std::fill_n(labels, place.target.numel(), kIgnoredLabel);
  std::vector<float> normalised(pair.image.pixels.size());
  normaliser_(pair.image, normalised.data());
  const int64_t row = 3 * pair.image.width;
  for (int64_t y = 0; y < pair.image.height; ++y) {
    std::copy_n(normalised.data() + y * row, row, values + y * 3 * width);
    std::copy_n(pair.target.row(y), pair.target.width, labels + y * width);
  }
  return place;
}

at::Tensor segmentation_view(const Image& image,
                             const DataConfig& config,
                             double ratio,
                             bool flipped) {
  const Image view = test_view(image, config.segmentation, ratio, flipped);
  at::Tensor values = at::empty({1, view.height, view.width, 3});  // (1, h, w, 3)
  Normaliser(config.mean, config.std)(view, values.data_ptr<float>());
  return values.permute({0, 3, 1, 2});
}

}  // namespace nala::data
