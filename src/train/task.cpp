#include "train/task.h"

#include "core/error.h"
#include "train/tasks/classify.h"

namespace nala::train {

std::unique_ptr<Task> build_task(const Recipe& recipe,
                                 const std::shared_ptr<const data::Dataset>& /*evaluated*/) {
  if (recipe.task == models::Task::classification) {
    return std::make_unique<ClassifyTask>(recipe.train.label_smoothing);
  }
  throw Error(ErrorKind::config, "task: only classification is built yet");
}

}  // namespace nala::train
