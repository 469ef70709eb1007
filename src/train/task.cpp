#include "train/task.h"

#include "core/error.h"
#include "train/tasks/classify.h"
#include "train/tasks/segment.h"
#include "train/tasks/upscale.h"

namespace nala::train {

std::unique_ptr<Task> build_task(const Recipe& recipe,
                                 const std::shared_ptr<const data::Dataset>& evaluated) {
  if (recipe.task == models::Task::classification) {
    return std::make_unique<ClassifyTask>(recipe, evaluated);
  }
  if (recipe.task == models::Task::super_resolution) {
    auto sets = std::dynamic_pointer_cast<const data::SuperResolutionSets>(evaluated);
    if (!sets) {
      throw Error(ErrorKind::config,
                  "data.name: super-resolution needs pairs of pictures, use super_resolution");
    }
    const data::SuperResolutionData& data = recipe.data.super_resolution;
    return std::make_unique<UpscaleTask>(
        recipe.super_resolution, eval::ComparedAs{.protocol = data.protocol, .scale = data.scale},
        std::move(sets));
  }
  auto pictures = std::dynamic_pointer_cast<const data::LabelledPictures>(evaluated);
  if (!pictures) {
    throw Error(ErrorKind::config,
                "data.name: segmentation needs pictures with label maps, use ade20k");
  }
  return std::make_unique<SegmentTask>(recipe.segmentation, recipe.data, std::move(pictures));
}

}  // namespace nala::train
