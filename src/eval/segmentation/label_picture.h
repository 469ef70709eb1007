// The class of every pixel of a picture.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "data/config.h"
#include "data/image.h"
#include "eval/evaluator.h"

namespace nala::eval {

/// One way of looking at a picture: (1, 3, h, w), on the network's device.
struct SegmentationView {
  at::Tensor image;
  bool mirrored = false;
};

/// The likeliest class of every pixel: (height, width) uint8 on the CPU. Logits are resized to the
/// view's size, then to height x width; with several views their softmax is averaged. `forward`
/// gives logits (1, K, h', w'), K <= 255.
///
/// Works on bands of rows, so that memory does not grow with K * height * width: per view the
/// network's own logits (whole), or those of about two rows of windows (slide).
at::Tensor label_views(const Forward& forward,
                       const std::vector<SegmentationView>& views,
                       const data::SegmentationEval& options,
                       int64_t height,
                       int64_t width);

/// The same of a picture seen as data.segmentation.eval says, at its own size; gradients off.
at::Tensor label_picture(const Forward& forward,
                         const data::Image& image,
                         const data::DataConfig& config,
                         at::Device device);

}  // namespace nala::eval
