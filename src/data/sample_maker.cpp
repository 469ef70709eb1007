#include "data/sample_maker.h"

#include <utility>

#include "data/samples/classification.h"
#include "data/samples/segmentation.h"
#include "data/samples/super_resolution.h"

namespace nala::data {

std::unique_ptr<SampleMaker> build_sample_maker(std::shared_ptr<const Dataset> dataset,
                                                const DataConfig& config,
                                                Split split) {
  if (auto sets = std::dynamic_pointer_cast<const SuperResolutionSets>(dataset)) {
    return std::make_unique<SuperResolutionSamples>(std::move(sets), config, split);
  }
  if (std::dynamic_pointer_cast<const PairDataset>(dataset)) {
    return std::make_unique<SegmentationSamples>(dataset, config, split);
  }
  return std::make_unique<ClassificationSamples>(std::move(dataset), config, split);
}

}  // namespace nala::data
