// A picture with the labels of its pixels.
#pragma once

#include <memory>

#include "data/sample_maker.h"
#include "data/transforms/normalise.h"

namespace nala::data {

/// Training: augment_segmentation() of the pair, normalised, then padded on the right and below to
/// data.image_size with 0 and kIgnoredLabel. Evaluation: the picture as it is stored, uint8 and not
/// normalised, for the task makes its views of it. Targets: (H, W) uint8, class or kIgnoredLabel.
class SegmentationSamples : public SampleMaker {
 public:
  /// Throws Error(config) for a data set of another kind.
  SegmentationSamples(const std::shared_ptr<const Dataset>& dataset,
                      const DataConfig& config,
                      Split split);

  [[nodiscard]] MadeSample make(int64_t index, Rng& rng, MadeSample place) const override;
  [[nodiscard]] std::optional<SampleShape> shape() const override;

 private:
  std::shared_ptr<const PairDataset> dataset_;
  DataConfig config_;
  Split split_;
  Normaliser normaliser_;
};

/// test_view() normalised, (1, 3, h, w) float32 channels-last.
at::Tensor segmentation_view(const Image& image,
                             const DataConfig& config,
                             double ratio,
                             bool flipped);

}  // namespace nala::data
