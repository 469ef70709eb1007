// Our pictures as OpenCV sees them. For the files that call OpenCV only.
#pragma once

#include <opencv2/core.hpp>

#include "data/image.h"

namespace nala::data {

/// The picture's own memory; it must outlive the result. One or three channels. The first call
/// turns off OpenCV's threads: the loader has its own.
inline cv::Mat view_of(const Image& image) {
  static const bool kOneThread = [] {
    cv::setNumThreads(0);
    return true;
  }();
  static_cast<void>(kOneThread);
  return {static_cast<int>(image.height), static_cast<int>(image.width),
          image.channels == 1 ? CV_8UC1 : CV_8UC3, const_cast<uint8_t*>(image.pixels.data())};
}

}  // namespace nala::data
