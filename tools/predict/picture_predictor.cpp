#include "predict/picture_predictor.h"

#include <utility>

#include "core/error.h"
#include "predict/classifier.h"
#include "predict/segmenter.h"
#include "predict/upscaler.h"

namespace nala::tools {

std::unique_ptr<PicturePredictor> build_predictor(const train::Weights& weights,
                                                  std::shared_ptr<models::Model> model,
                                                  at::Device device,
                                                  const PredictOptions& options) {
  if (weights.recipe.task == models::Task::super_resolution) {
    return std::make_unique<Upscaler>(weights, std::move(model), device, options);
  }
  if (options.compare) {
    throw Error(ErrorKind::usage, "--compare: this network makes no picture to compare with");
  }
  if (weights.recipe.task == models::Task::segmentation) {
    return std::make_unique<SegmentationPredictor>(weights, std::move(model), device, options);
  }
  return std::make_unique<Classifier>(weights, std::move(model), device, options.top);
}

}  // namespace nala::tools
