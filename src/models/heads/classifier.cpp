#include "models/heads/classifier.h"

#include <torch/torch.h>

namespace nala::models {

ClassifierHead::ClassifierHead(torch::nn::Module& owner, const Options& options)
    : proj_(owner.register_module("proj", Linear(options.dim, options.projection))),
      norm_(owner.register_module("norm", BatchNorm2d(options.projection))),
      head_(owner.register_module(
          "head",
          Conv2d(Conv2dOptions{.in = options.projection, .out = options.classes, .kernel = 1}))) {}

at::Tensor ClassifierHead::forward(const at::Tensor& map) {
  const at::Tensor projected = map_of(proj_(tokens_of(map)), map.size(2), map.size(3));
  const at::Tensor pooled = at::silu(norm_(projected)).mean({2, 3});  // (B, projection)
  // A 1x1 convolution of a 1x1 map is a linear layer.
  return at::linear(pooled, head_->weight.flatten(1), head_->bias);
}

Classifier::Classifier(const ResolvedModel& model)
    : backbone_(*this, model),
      head_(*this,
            {.dim = model.embed_dims.back(),
             .projection = model.projection,
             .classes = model.num_classes}) {}

Outputs Classifier::forward(const at::Tensor& images, const ForwardContext& context) {
  return {.main = head_.forward(backbone_.features(images, context).back()), .auxiliary = {}};
}

}  // namespace nala::models
