#include "predict/picture_predictor.h"

#include <utility>

#include "core/error.h"
#include "predict/classifier.h"

namespace nala::tools {

std::unique_ptr<PicturePredictor> build_predictor(const train::Weights& weights,
                                                  std::shared_ptr<models::Model> model,
                                                  at::Device device,
                                                  const PredictOptions& options) {
  if (options.compare) {
    throw Error(ErrorKind::usage, "--compare: a classifier makes no picture to compare with");
  }
  return std::make_unique<Classifier>(weights, std::move(model), device, options.top);
}

}  // namespace nala::tools
