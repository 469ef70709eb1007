#include "data/transforms/operations.h"

#include <utility>

#include "data/transforms/enhance.h"
#include "data/transforms/gaussian_blur.h"
#include "data/transforms/point_operations.h"

namespace nala::data {
namespace {

AffineMatrix matrix_of(Operation operation, double argument, const Image& image) {
  switch (operation) {
    case Operation::rotate:
      return rotation_matrix(argument, image.width, image.height);
    case Operation::shear_x:
      return {1, argument, 0, 0, 1, 0};
    case Operation::shear_y:
      return {1, 0, 0, argument, 1, 0};
    case Operation::translate_x:
      return {1, 0, argument * static_cast<double>(image.width), 0, 1, 0};
    default:
      return {1, 0, 0, 0, 1, argument * static_cast<double>(image.height)};
  }
}

}  // namespace

bool is_geometric(Operation operation) {
  switch (operation) {
    case Operation::rotate:
    case Operation::shear_x:
    case Operation::shear_y:
    case Operation::translate_x:
    case Operation::translate_y:
      return true;
    default:
      return false;
  }
}

Image apply(Operation operation, double argument, Image image, const Sampling& sampling) {
  if (is_geometric(operation)) {
    return affine(image, matrix_of(operation, argument, image), sampling.interpolation,
                  sampling.fill);
  }
  const int whole = static_cast<int>(argument);
  switch (operation) {
    case Operation::auto_contrast:
      auto_contrast(image);
      break;
    case Operation::equalize:
      equalize(image);
      break;
    case Operation::invert:
      invert(image);
      break;
    case Operation::posterize:
      posterize(image, whole);
      break;
    case Operation::solarize:
      solarize(image, whole);
      break;
    case Operation::solarize_add:
      solarize_add(image, whole);
      break;
    case Operation::color:
      adjust_saturation(image, argument);
      break;
    case Operation::contrast:
      adjust_contrast(image, argument);
      break;
    case Operation::brightness:
      adjust_brightness(image, argument);
      break;
    case Operation::sharpness:
      adjust_sharpness(image, argument);
      break;
    case Operation::gaussian_blur:
      return gaussian_blur(image, argument);
    default:
      break;
  }
  return image;
}

}  // namespace nala::data
