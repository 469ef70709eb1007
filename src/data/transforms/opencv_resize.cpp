#include "data/transforms/opencv_resize.h"

#include <opencv2/imgproc.hpp>

#include "data/transforms/opencv_view.h"

namespace nala::data {
namespace {

Image resized(const Image& image, int64_t width, int64_t height, int interpolation) {
  if (width == image.width && height == image.height) {
    return image;
  }
  Image out(width, height, image.channels);
  const cv::Mat from = view_of(image);
  cv::Mat to = view_of(out);
  cv::resize(from, to, to.size(), 0, 0, interpolation);
  return out;
}

}  // namespace

Image resize_linear(const Image& image, int64_t width, int64_t height) {
  return resized(image, width, height, cv::INTER_LINEAR);
}

Image resize_nearest(const Image& image, int64_t width, int64_t height) {
  return resized(image, width, height, cv::INTER_NEAREST);
}

}  // namespace nala::data
