#include "predict/segmenter.h"

#include <functional>

#include "data/image_tensor.h"
#include "eval/segmentation/label_picture.h"

namespace nala::predict {

data::Image label_map(const Network& network, const data::Image& image) {
  return data::image_of(
      eval::label_picture(std::ref(*network.model), image, network.recipe.data, network.device));
}

}  // namespace nala::predict
