#include "data/sample_maker.h"

#include <torch/torch.h>

#include <utility>

#include "data/samples/classification.h"
#include "data/samples/segmentation.h"
#include "data/samples/super_resolution.h"

namespace nala::data {

at::Tensor given_or_new(at::Tensor given, at::IntArrayRef sizes, at::ScalarType type) {
  TORCH_INTERNAL_ASSERT(!given.defined() || (given.sizes() == sizes && given.is_contiguous() &&
                                             given.scalar_type() == type));
  return given.defined() ? std::move(given) : at::empty(sizes, type);
}

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
