#include "data/sample_maker.h"

#include <utility>

#include "data/samples/classification.h"

namespace nala::data {

std::unique_ptr<SampleMaker> build_sample_maker(std::shared_ptr<const Dataset> dataset,
                                                const DataConfig& config,
                                                Split split) {
  return std::make_unique<ClassificationSamples>(std::move(dataset), config, split);
}

}  // namespace nala::data
