// What the heads for segmentation share. Names of children are mmsegmentation's.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <array>

#include "models/batch_norm.h"
#include "models/config.h"
#include "models/forward_context.h"
#include "models/layers.h"

namespace nala::models {

/// The maps of the four stages, (B, C_i, H_i, W_i) channels-last, each about half the one before.
using FeatureMaps = std::array<at::Tensor, kStages>;

struct HeadConvOptions {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;
  bool normed = true;  ///< BatchNorm and ReLU behind a convolution without bias
};

/// mmcv's ConvModule: `conv`, and where asked for `bn` and ReLU. Not normed, it has a bias.
class HeadConvImpl : public torch::nn::Module {
 public:
  explicit HeadConvImpl(const HeadConvOptions& options);
  at::Tensor forward(const at::Tensor& x);

 private:
  Conv2d conv_;
  BatchNorm2d bn_{nullptr};
};
TORCH_MODULE(HeadConv);

/// The classifier of a head, registered as its `conv_seg`: dropout of whole channels, then a 1x1
/// convolution.
class PixelClassifier {
 public:
  struct Options {
    int64_t channels = 0;
    int64_t classes = 0;
    double dropout = 0;
    uint64_t number = 0;  ///< of the head in its model, part of the key of the dropout
  };
  PixelClassifier(torch::nn::Module& owner, const Options& options);

  /// x: (B, C, H, W). Gives logits (B, classes, H, W). In training mode channels are dropped from
  /// the context.
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context);

 private:
  torch::nn::Module& owner_;
  Options options_;
  Conv2d conv_seg_;
};

/// Bilinear, the corners of the pixels aligned (align_corners false), to the height and width of
/// `like`.
at::Tensor resized_like(const at::Tensor& x, const at::Tensor& like);

/// Per picture and channel 0 with probability `rate`, else 1 / (1 - rate): (B, C, 1, 1) of x's
/// dtype and device, keyed by (seed, step, positions[i], number). Throws c10::Error unless there is
/// one position per picture of x (B, C, ...).
at::Tensor channel_dropout_factors(double rate,
                                   uint64_t number,
                                   const ForwardContext& context,
                                   const at::Tensor& x);

}  // namespace nala::models
