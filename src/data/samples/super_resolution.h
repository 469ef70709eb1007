// A low-resolution picture or patch and what it is to become.
#pragma once

#include <memory>

#include "data/datasets/super_resolution.h"
#include "data/sample_maker.h"

namespace nala::data {

/// Training: a low-resolution patch of data.image_size (or what data.augment.sizes says of the
/// epoch) at a uniform place, and the high-resolution one that belongs to it, both in one of eight
/// orientations; a picture that is smaller than the patch is mirrored beyond its border. Where
/// low-resolution pictures are made, the patch is the part of the whole reduced picture, exactly.
/// Evaluation: whole pictures.
///
/// Values are pixels / 255; data.mean and data.std have no part. `image` has three channels;
/// `target` (s H, s W, C) has the stored picture's: one where that is grey, in evaluation.
class SuperResolutionSamples : public SampleMaker {
 public:
  SuperResolutionSamples(std::shared_ptr<const SuperResolutionSets> sets,
                         const DataConfig& config,
                         Split split);

  void set_epoch(int64_t epoch) override;
  [[nodiscard]] MadeSample make(int64_t index, Rng& rng, MadeSample place) const override;
  [[nodiscard]] std::optional<SampleShape> shape() const override;

 private:
  [[nodiscard]] MadeSample patch(const PicturePair& pair, Rng& rng, MadeSample place) const;

  std::shared_ptr<const SuperResolutionSets> sets_;
  DataConfig config_;
  Split split_;
};

/// The low-resolution picture of protocol C in evaluation: (H, W, 3) float32, values / 255, made of
/// a high-resolution picture without any rounding.
at::Tensor reduced_unrounded(const Image& high, int64_t scale);

}  // namespace nala::data
