#include "train/fit_to_data.h"

#include <string>

#include "core/error.h"
#include "data/datasets/ade20k.h"
#include "data/datasets/super_resolution.h"

namespace nala::train {
namespace {

void take_scale(Recipe& recipe) {
  int64_t& scale = recipe.model.super_resolution.scale;
  const int64_t of_data = recipe.data.super_resolution.scale;
  if (scale != 0 && scale != of_data) {
    throw Error(ErrorKind::config, "model.super_resolution.scale: " + std::to_string(scale) +
                                       ", but data.super_resolution.scale is " +
                                       std::to_string(of_data));
  }
  scale = of_data;
}

void take_classes(Recipe& recipe, int64_t classes) {
  if (recipe.model.num_classes == 0) {
    recipe.model.num_classes = classes;
  } else if (recipe.model.num_classes < classes) {
    throw Error(ErrorKind::config,
                "model.num_classes: " + std::to_string(recipe.model.num_classes) +
                    ", but the data has " + std::to_string(classes) + " classes");
  }
}

}  // namespace

void fit_to_data(Recipe& recipe, const data::Dataset& train_set) {
  if (recipe.task == models::Task::super_resolution) {
    take_scale(recipe);
  }
  data::keep_palette(train_set, recipe.data);
  take_classes(recipe, static_cast<int64_t>(train_set.classes().size()));
}

std::string remark_on_cache(const data::Dataset& train_set) {
  const auto* sets = dynamic_cast<const data::SuperResolutionSets*>(&train_set);
  constexpr int64_t kMegabyte = 1'000'000;
  if (sets == nullptr || sets->cache_bytes() == 0) {
    return "";
  }
  const int64_t wanted = sets->decoded_bytes();
  if (wanted <= sets->cache_bytes()) {
    return "";
  }
  return "data.super_resolution.cache_mb " + std::to_string(sets->cache_bytes() / kMegabyte) +
         ": the training pictures take about " + std::to_string(wanted / kMegabyte + 1) +
         " MB decoded, so that " + std::to_string(100 * (wanted - sets->cache_bytes()) / wanted) +
         " % of them are decoded anew for every patch; raise it, or cut the pictures by "
         "`nalaformer data subimages`";
}

}  // namespace nala::train
