#include "predictors/picture_predictor.h"

#include "core/error.h"
#include "predictors/class_predictor.h"
#include "predictors/enlarging_predictor.h"
#include "predictors/label_predictor.h"

namespace nala::tools {

std::unique_ptr<PicturePredictor> build_predictor(const predict::Network& network,
                                                  const std::vector<std::string>& files,
                                                  const PredictOptions& options) {
  if (network.recipe.task == models::Task::super_resolution) {
    return std::make_unique<EnlargingPredictor>(network, files, options);
  }
  if (options.compare) {
    throw Error(ErrorKind::usage, "--compare: this network makes no picture to compare with");
  }
  if (network.recipe.task == models::Task::segmentation) {
    return std::make_unique<LabelPredictor>(network, files, options);
  }
  return std::make_unique<ClassPredictor>(network, files, options.top);
}

}  // namespace nala::tools
