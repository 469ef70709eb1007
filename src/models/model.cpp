#include "models/model.h"

#include <torch/torch.h>

#include "core/error.h"
#include "models/heads/classifier.h"
#include "models/init.h"
#include "models/segmenter.h"
#include "models/super_resolution.h"

namespace nala::models {

namespace {

std::shared_ptr<Model> uninitialised(const ResolvedModel& resolved, Task task) {
  if (task == Task::super_resolution) {
    if (resolved.super_resolution.scale == 0) {
      throw Error(ErrorKind::config,
                  "model.super_resolution.scale: 0, which only data can replace; state 2, 3 or 4");
    }
    return std::make_shared<SuperResolver>(resolved);
  }
  if (resolved.num_classes < 1) {
    throw Error(ErrorKind::config,
                "model.num_classes: 0, which only data can replace; state the number of classes");
  }
  if (task == Task::segmentation) {
    return std::make_shared<Segmenter>(resolved);
  }
  return std::make_shared<Classifier>(resolved);
}

}  // namespace

std::shared_ptr<Model> build_model(const ModelConfig& config, Task task, uint64_t seed) {
  auto model = uninitialised(resolve(config), task);
  initialise(*model, seed);
  return model;
}

}  // namespace nala::models
