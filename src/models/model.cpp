#include "models/model.h"

#include <torch/torch.h>

#include "core/error.h"
#include "models/heads/classifier.h"
#include "models/init.h"

namespace nala::models {

std::shared_ptr<Model> build_model(const ModelConfig& config, Task task, uint64_t seed) {
  const ResolvedModel resolved = resolve(config);
  if (task != Task::classification) {
    throw Error(ErrorKind::config,
                "task: " + std::string(names_of(task)[static_cast<size_t>(task)]) +
                    " is not built yet, use classification");
  }
  if (resolved.num_classes < 1) {
    throw Error(ErrorKind::config,
                "model.num_classes: 0, which only data can replace; state the number of classes");
  }
  auto model = std::make_shared<Classifier>(resolved);
  initialise(*model, seed);
  return model;
}

}  // namespace nala::models
