// A picture of one size and its class.
#pragma once

#include <memory>

#include "data/sample_maker.h"
#include "data/transforms/normalise.h"
#include "data/transforms/pipeline.h"

namespace nala::data {

/// TrainTransform or EvalTransform of the picture (data/transforms/pipeline.h), normalised; no
/// target but the label.
class ClassificationSamples : public SampleMaker {
 public:
  ClassificationSamples(std::shared_ptr<const Dataset> dataset,
                        const DataConfig& config,
                        Split split);

  void set_epoch(int64_t epoch) override;
  [[nodiscard]] MadeSample make(int64_t index, Rng& rng, MadeSample place) const override;
  [[nodiscard]] std::optional<SampleShape> shape() const override;

 private:
  [[nodiscard]] bool train() const { return split_ == Split::train; }

  std::shared_ptr<const Dataset> dataset_;
  DataConfig config_;
  Split split_;
  TrainTransform augment_;
  EvalTransform resize_;
  Normaliser normaliser_;
};

}  // namespace nala::data
