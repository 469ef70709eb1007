#include "export/network_graph.h"

#include <string>
#include <utility>

#include "core/error.h"
#include "export/graph_layers.h"

namespace nala::exporting {
namespace {

using models::ResolvedModel;
using Value = GraphLayers::Value;

constexpr double kOutputNormEps = 1e-5;

Graph classifier_graph(const ResolvedModel& model, GraphLayers& layers) {
  const Value x = layers.backbone("").back();
  const Value projected =
      layers.batch_norm(layers.as_map(layers.linear(layers.as_tokens(x), "proj")), "norm");
  const Value pooled =
      layers.add(Operation::pool, {layers.add(Operation::silu, {projected})});  // (B, P)
  return layers.finish(layers.linear(pooled, "head"), {0, model.num_classes});
}

// mmcv's ConvModule with BatchNorm and ReLU.
Value normed_convolution(GraphLayers& layers, const Value& map, const std::string& name) {
  const Value y = layers.batch_norm(layers.convolution(map, name + ".conv"), name + ".bn");
  return layers.add(Operation::relu, {y});
}

Graph segmenter_graph(const ResolvedModel& model, GraphLayers& layers) {
  const models::SegmentationConfig& config = model.segmentation;
  if (config.is_upernet()) {
    throw Error(
        ErrorKind::usage,
        "export: upernet pools to fixed sizes, for which a graph of free sizes has no plain "
        "operation; semantic_fpn is exported");
  }
  auto maps = layers.backbone("backbone.");
  for (size_t i = 0; config.normed_outputs() && i < maps.size(); ++i) {
    maps[i] = layers.as_map(layers.layer_norm(layers.as_tokens(maps[i]),
                                              "backbone.norm" + std::to_string(i), kOutputNormEps));
  }
  Value above;  // lateral of the coarser level
  for (int i = models::kStages - 1; i >= 0; --i) {
    const std::string number = std::to_string(i);
    Value lateral = layers.convolution(maps[i], "neck.lateral_convs." + number + ".conv");
    if (!above.empty()) {
      const Value enlarged = layers.add(Operation::resize_nearest_like, {above, lateral});
      lateral = layers.add(Operation::add, {lateral, enlarged});
    }
    above = lateral;
    maps[i] = layers.convolution(lateral, "neck.fpn_convs." + number + ".conv");
  }
  Value sum;
  for (int i = 0; i < models::kStages; ++i) {
    const std::string name = "decode_head.scale_heads." + std::to_string(i) + ".";
    // Every second step is an enlargement.
    Value x = normed_convolution(layers, maps[i], name + "0");
    for (int step = 0; step < i; ++step) {
      x = step > 0 ? normed_convolution(layers, x, name + std::to_string(2 * step)) : x;
      x = layers.add(Operation::enlarge_bilinear, {x}, {2});
    }
    sum = i == 0 ? x
                 : layers.add(Operation::add,
                              {sum, layers.add(Operation::resize_bilinear_like, {x, sum})});
  }
  return layers.finish(layers.convolution(sum, "decode_head.conv_seg"),
                       {0, model.num_classes, 0, 0});
}

Graph super_resolver_graph(const ResolvedModel& model, GraphLayers& layers) {
  const models::SuperResolutionSizes& sizes = model.super_resolution;
  const Value centred = layers.add(Operation::subtract, {layers.input(), layers.constant(0.5)});
  const Value shallow = layers.convolution(centred, "conv_first");
  GraphLayers::Block block{.name = {},
                           .dim = sizes.channels,
                           .heads = sizes.heads,
                           .layer_scale = sizes.layer_scale.has_value(),
                           .angles = layers.rotary_angles(shallow, "RoPE")};
  Value x = shallow;
  for (size_t group = 0; group < sizes.groups.size(); ++group) {
    const std::string name = "groups." + std::to_string(group);
    Value inside = x;
    for (int64_t i = 0; i < sizes.groups[group]; ++i) {
      block.name = name + ".blocks." + std::to_string(i);
      inside = layers.block(block, inside);
    }
    x = layers.add(Operation::add, {x, layers.convolution(inside, name + ".conv")});
  }
  x = layers.add(Operation::add, {shallow, layers.convolution(x, "conv_body")});
  const bool deep = sizes.reconstruction == models::Reconstruction::deep;
  if (deep) {
    x = layers.add(Operation::leaky_relu, {layers.convolution(x, "conv_before")}, {}, 0.01);
  }
  const auto factors = sizes.shuffles();
  for (size_t i = 0; i < factors.size(); ++i) {
    x = layers.add(Operation::pixel_shuffle,
                   {layers.convolution(x, "upsample." + std::to_string(i))}, {factors[i]});
  }
  x = deep ? layers.convolution(x, "conv_last") : x;
  const Value enlarged = layers.add(Operation::enlarge_bicubic, {layers.input()}, {sizes.scale});
  return layers.finish(layers.add(Operation::add, {enlarged, x}), {0, model.in_channels, 0, 0});
}

}  // namespace

Graph network_graph(const ResolvedModel& model,
                    models::Task task,
                    const io::NamedTensors& tensors) {
  GraphLayers layers(model, tensors);
  switch (task) {
    case models::Task::segmentation:
      return segmenter_graph(model, layers);
    case models::Task::super_resolution:
      return super_resolver_graph(model, layers);
    case models::Task::classification:
      break;
  }
  return classifier_graph(model, layers);
}

}  // namespace nala::exporting
