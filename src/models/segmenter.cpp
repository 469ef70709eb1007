#include "models/segmenter.h"

#include <torch/torch.h>

#include "models/norm_eps.h"

namespace nala::models {
namespace {

constexpr int kAuxiliaryStage = 2;

}  // namespace

MapBackboneImpl::MapBackboneImpl(const ResolvedModel& model) : trunk_(*this, model) {
  for (int i = 0; model.segmentation.normed_outputs() && i < kStages; ++i) {
    norms_.push_back(register_module("norm" + std::to_string(i),
                                     LayerNorm(model.embed_dims[i], kOutputNormEps)));
  }
}

FeatureMaps MapBackboneImpl::forward(const at::Tensor& images, const ForwardContext& context) {
  return outputs(trunk_.features(images, context));
}

FeatureMaps MapBackboneImpl::outputs(FeatureMaps maps) {
  for (size_t i = 0; i < norms_.size(); ++i) {
    maps[i] = map_of(norms_[i](tokens_of(maps[i])), maps[i].size(2), maps[i].size(3));
  }
  return maps;
}

Segmenter::Segmenter(const ResolvedModel& model)
    : backbone_(register_module("backbone", MapBackbone(model))) {
  const SegmentationConfig& config = model.segmentation;
  const PixelClassifier::Options classifier{.channels = config.head_channels(),
                                            .classes = model.num_classes,
                                            .dropout = config.dropout,
                                            .number = 0};
  if (config.is_upernet()) {
    uper_head_ = register_module(
        "decode_head",
        UperHead(UperHeadOptions{
            .in = model.embed_dims, .pool_scales = config.pool_scales, .classifier = classifier}));
  } else {
    neck_ = register_module("neck", FpnNeck(model.embed_dims, config.neck_channels));
    fpn_head_ = register_module("decode_head", FpnHead(FpnHeadOptions{.in = config.neck_channels,
                                                                      .classifier = classifier}));
  }
  if (config.has_auxiliary()) {
    PixelClassifier::Options second = classifier;
    second.channels = config.auxiliary_channels;
    second.number = 1;
    auxiliary_head_ = register_module(
        "auxiliary_head",
        FcnHead(FcnHeadOptions{.in = model.embed_dims[kAuxiliaryStage], .classifier = second}));
  }
}

Outputs Segmenter::forward(const at::Tensor& images, const ForwardContext& context) {
  return decode(backbone_(images, context), context);
}

Outputs Segmenter::forward_maps(const FeatureMaps& maps, const ForwardContext& context) {
  return decode(backbone_->outputs(maps), context);
}

Outputs Segmenter::decode(const FeatureMaps& maps, const ForwardContext& context) {
  Outputs outputs;
  outputs.main = uper_head_ ? uper_head_(maps, context) : fpn_head_(neck_(maps), context);
  if (auxiliary_head_ && is_training()) {
    outputs.auxiliary = auxiliary_head_(maps[kAuxiliaryStage], context);
  }
  return outputs;
}

}  // namespace nala::models
