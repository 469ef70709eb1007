#include "models/heads/semantic_fpn.h"

#include <torch/torch.h>

namespace nala::models {

FpnNeckImpl::FpnNeckImpl(const std::array<int64_t, kStages>& in, int64_t channels)
    : lateral_convs_(register_module("lateral_convs", torch::nn::ModuleList())),
      fpn_convs_(register_module("fpn_convs", torch::nn::ModuleList())) {
  for (const int64_t width : in) {
    lateral_convs_->push_back(
        HeadConv(HeadConvOptions{.in = width, .out = channels, .kernel = 1, .normed = false}));
    fpn_convs_->push_back(
        HeadConv(HeadConvOptions{.in = channels, .out = channels, .kernel = 3, .normed = false}));
  }
}

FeatureMaps FpnNeckImpl::forward(const FeatureMaps& maps) {
  FeatureMaps laterals;
  FeatureMaps out;
  for (int i = kStages - 1; i >= 0; --i) {
    laterals[i] = lateral_convs_->at<HeadConvImpl>(i).forward(maps[i]);
    if (i + 1 < kStages) {
      laterals[i] = laterals[i] + at::upsample_nearest2d(
                                      laterals[i + 1], {laterals[i].size(2), laterals[i].size(3)});
    }
    out[i] = fpn_convs_->at<HeadConvImpl>(i).forward(laterals[i]);
  }
  return out;
}

FpnHeadImpl::FpnHeadImpl(const FpnHeadOptions& options)
    : classifier_(*this, options.classifier),
      scale_heads_(register_module("scale_heads", torch::nn::ModuleList())) {
  for (int i = 0; i < kStages; ++i) {
    torch::nn::ModuleList steps;
    for (int j = 0; j < std::max(1, i); ++j) {
      steps->push_back(
          HeadConv(HeadConvOptions{.in = j == 0 ? options.in : options.classifier.channels,
                                   .out = options.classifier.channels}));
      if (i > 0) {
        steps->push_back(torch::nn::Upsample(torch::nn::UpsampleOptions()
                                                 .scale_factor(std::vector<double>{2, 2})
                                                 .mode(torch::kBilinear)
                                                 .align_corners(false)));
      }
    }
    scale_heads_->push_back(steps);
  }
}

at::Tensor FpnHeadImpl::forward(const FeatureMaps& maps, const ForwardContext& context) {
  at::Tensor sum;  // (B, C, H_0, W_0)
  for (int i = 0; i < kStages; ++i) {
    at::Tensor x = maps[i];
    for (const auto& step : scale_heads_->at<torch::nn::ModuleListImpl>(i)) {
      if (auto* conv = step->as<HeadConvImpl>()) {
        x = conv->forward(x);
      } else {
        x = step->as<torch::nn::UpsampleImpl>()->forward(x);
      }
    }
    sum = i == 0 ? x : sum + resized_like(x, sum);
  }
  return classifier_.forward(sum, context);
}

}  // namespace nala::models
