#include "models/heads/upernet.h"

#include <torch/torch.h>

namespace nala::models {
namespace {

int64_t bottleneck_width(const UperHeadOptions& options) {
  return options.in.back() + std::ssize(options.pool_scales) * options.classifier.channels;
}

}  // namespace

UperHeadImpl::UperHeadImpl(const UperHeadOptions& options)
    : classifier_(*this, options.classifier),
      psp_modules_(register_module("psp_modules", torch::nn::ModuleList())),
      bottleneck_(register_module("bottleneck",
                                  HeadConv(HeadConvOptions{.in = bottleneck_width(options),
                                                           .out = options.classifier.channels}))),
      lateral_convs_(register_module("lateral_convs", torch::nn::ModuleList())),
      fpn_convs_(register_module("fpn_convs", torch::nn::ModuleList())),
      fpn_bottleneck_(
          register_module("fpn_bottleneck",
                          HeadConv(HeadConvOptions{.in = kStages * options.classifier.channels,
                                                   .out = options.classifier.channels}))) {
  const int64_t channels = options.classifier.channels;
  for (const int64_t scale : options.pool_scales) {
    torch::nn::ModuleList steps;
    steps->push_back(torch::nn::AdaptiveAvgPool2d(torch::nn::AdaptiveAvgPool2dOptions(scale)));
    steps->push_back(
        HeadConv(HeadConvOptions{.in = options.in.back(), .out = channels, .kernel = 1}));
    psp_modules_->push_back(steps);
  }
  for (int i = 0; i + 1 < kStages; ++i) {
    lateral_convs_->push_back(
        HeadConv(HeadConvOptions{.in = options.in[i], .out = channels, .kernel = 1}));
    fpn_convs_->push_back(HeadConv(HeadConvOptions{.in = channels, .out = channels}));
  }
}

at::Tensor UperHeadImpl::pooled(const at::Tensor& map) {
  std::vector<at::Tensor> parts{map};
  for (const auto& module : *psp_modules_) {
    auto& steps = *module->as<torch::nn::ModuleListImpl>();
    const at::Tensor small = steps.at<torch::nn::AdaptiveAvgPool2dImpl>(0).forward(map);
    parts.push_back(resized_like(steps.at<HeadConvImpl>(1).forward(small), map));
  }
  return bottleneck_(at::cat(parts, 1));
}

at::Tensor UperHeadImpl::forward(const FeatureMaps& maps, const ForwardContext& context) {
  FeatureMaps laterals;
  FeatureMaps out;
  laterals.back() = out.back() = pooled(maps.back());
  for (int i = kStages - 2; i >= 0; --i) {
    const at::Tensor lateral = lateral_convs_->at<HeadConvImpl>(i).forward(maps[i]);
    laterals[i] = lateral + resized_like(laterals[i + 1], lateral);
    out[i] = fpn_convs_->at<HeadConvImpl>(i).forward(laterals[i]);
  }
  for (int i = 1; i < kStages; ++i) {
    out[i] = resized_like(out[i], out[0]);
  }
  return classifier_.forward(fpn_bottleneck_(at::cat(out, 1)), context);
}

}  // namespace nala::models
