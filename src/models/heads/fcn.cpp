#include "models/heads/fcn.h"

#include <torch/torch.h>

namespace nala::models {

FcnHeadImpl::FcnHeadImpl(const FcnHeadOptions& options)
    : classifier_(*this, options.classifier),
      convs_(register_module("convs", torch::nn::ModuleList())) {
  convs_->push_back(
      HeadConv(HeadConvOptions{.in = options.in, .out = options.classifier.channels}));
}

at::Tensor FcnHeadImpl::forward(const at::Tensor& map, const ForwardContext& context) {
  return classifier_.forward(convs_->at<HeadConvImpl>(0).forward(map), context);
}

}  // namespace nala::models
