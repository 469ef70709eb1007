#include "data/samples/classification.h"

#include <torch/torch.h>

#include <utility>

namespace nala::data {

ClassificationSamples::ClassificationSamples(std::shared_ptr<const Dataset> dataset,
                                             const DataConfig& config,
                                             Split split)
    : dataset_(std::move(dataset)),
      config_(config),
      split_(split),
      augment_(config),
      resize_(config),
      normaliser_(config.mean, config.std) {}

void ClassificationSamples::set_epoch(int64_t epoch) {
  if (!train()) {
    return;
  }
  if (const auto side = config_.augment.size_in(epoch)) {
    config_.image_size = {*side};
    augment_ = TrainTransform(config_);
  }
}

std::optional<SampleShape> ClassificationSamples::shape() const {
  return SampleShape{.image = {config_.height(), config_.width(), 3}, .target = {}};
}

MadeSample ClassificationSamples::make(int64_t index, Rng& rng, MadeSample place) const {
  const DecodedPart part = dataset_->load_part(index, [&](int64_t width, int64_t height) {
    return train() ? augment_.choose(width, height, rng) : resize_.choose(width, height);
  });
  place.image = given_or_new(place.image, {config_.height(), config_.width(), 3});  // (H, W, 3)
  auto* values = place.image.data_ptr<float>();
  normaliser_(train() ? augment_(part.image, rng) : resize_(part.image, part.width, part.height),
              values);
  if (train()) {
    augment_.erase(values, rng);
  }
  return place;
}

}  // namespace nala::data
