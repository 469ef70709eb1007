// Classification: one head, and the model of backbone and head.
#pragma once

#include "models/layers.h"
#include "models/model.h"
#include "models/nalaformer.h"

namespace nala::models {

/// Linear per token, BatchNorm, SiLU, global average pool, 1x1 convolution to the classes;
/// registered as `proj`, `norm` and `head` of the owner.
class ClassifierHead {
 public:
  struct Options {
    int64_t dim = 0;
    int64_t projection = 0;
    int64_t classes = 0;
  };
  ClassifierHead(torch::nn::Module& owner, const Options& options);

  /// map: (B, C, H, W) channels-last. Gives logits (B, classes).
  at::Tensor forward(const at::Tensor& map);

 private:
  Linear proj_;
  BatchNorm2d norm_;
  Conv2d head_;
};

class Classifier : public Model {
 public:
  explicit Classifier(const ResolvedModel& model);
  Outputs forward(const at::Tensor& images, const ForwardContext& context) override;

 private:
  Backbone backbone_;
  ClassifierHead head_;
};

}  // namespace nala::models
