#include "export/network_graph.h"

#include <array>
#include <string>
#include <utility>

#include "export/graph_layers.h"
#include "models/norm_eps.h"

namespace nala::exporting {
namespace {

using models::ResolvedModel;
using Value = GraphLayers::Value;

// The network's output, not finished yet.
struct Ending {
  Value output;
  std::vector<int64_t> shape;  // 0: free
};

Ending classifier(const ResolvedModel& model, GraphLayers& layers) {
  const Value x = layers.backbone("").back();
  const Value projected =
      layers.batch_norm(layers.as_map(layers.linear(layers.as_tokens(x), "proj")), "norm");
  const Value pooled =
      layers.add(Operation::pool, {layers.add(Operation::silu, {projected})});  // (B, P)
  return {layers.linear(pooled, "head"), {0, model.num_classes}};
}

// mmcv's ConvModule with BatchNorm and ReLU.
Value normed_convolution(GraphLayers& layers, const Value& map, const std::string& name) {
  const Value y = layers.batch_norm(layers.convolution(map, name + ".conv"), name + ".bn");
  return layers.add(Operation::relu, {y});
}

// The sum of mmsegmentation's FPNHead over the maps of its FPN neck.
Value semantic_fpn(GraphLayers& layers, std::array<Value, models::kStages> maps) {
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
  return sum;
}

// The last map beside its means over ever smaller windows.
Value pyramid_pooled(const models::SegmentationConfig& config,
                     GraphLayers& layers,
                     const Value& map) {
  std::vector<Value> parts{map};
  for (size_t i = 0; i < config.pool_scales.size(); ++i) {
    const Value small = layers.add(Operation::pool_to, {map}, {config.pool_scales[i]});
    const Value x =
        normed_convolution(layers, small, "decode_head.psp_modules." + std::to_string(i) + ".1");
    parts.push_back(layers.add(Operation::resize_bilinear_like, {x, map}));
  }
  return normed_convolution(layers, layers.add(Operation::concat, parts, {1}),
                            "decode_head.bottleneck");
}

// mmsegmentation's UPerHead but for its classifier.
Value upernet(const models::SegmentationConfig& config,
              GraphLayers& layers,
              const std::array<Value, models::kStages>& maps) {
  Value above = pyramid_pooled(config, layers, maps.back());
  std::vector<Value> out(models::kStages);
  out.back() = above;
  for (int i = models::kStages - 2; i >= 0; --i) {
    const std::string number = std::to_string(i);
    const Value lateral =
        normed_convolution(layers, maps[i], "decode_head.lateral_convs." + number);
    above = layers.add(Operation::add,
                       {lateral, layers.add(Operation::resize_bilinear_like, {above, lateral})});
    out[i] = normed_convolution(layers, above, "decode_head.fpn_convs." + number);
  }
  for (int i = 1; i < models::kStages; ++i) {
    out[i] = layers.add(Operation::resize_bilinear_like, {out[i], out[0]});
  }
  return normed_convolution(layers, layers.add(Operation::concat, out, {1}),
                            "decode_head.fpn_bottleneck");
}

Ending segmenter(const ResolvedModel& model, GraphLayers& layers) {
  const models::SegmentationConfig& config = model.segmentation;
  auto maps = layers.backbone("backbone.");
  for (size_t i = 0; config.normed_outputs() && i < maps.size(); ++i) {
    maps[i] = layers.as_map(layers.layer_norm(
        layers.as_tokens(maps[i]), "backbone.norm" + std::to_string(i), models::kOutputNormEps));
  }
  const Value features =
      config.is_upernet() ? upernet(config, layers, maps) : semantic_fpn(layers, maps);
  return {layers.convolution(features, "decode_head.conv_seg"), {0, model.num_classes, 0, 0}};
}

Ending super_resolver(const ResolvedModel& model, GraphLayers& layers) {
  const models::SuperResolutionSizes& sizes = model.super_resolution;
  const Value centred = layers.add(Operation::subtract, {layers.pictures(), layers.constant(0.5)});
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
  const Value enlarged = layers.add(Operation::enlarge_bicubic, {layers.pictures()}, {sizes.scale});
  return {layers.add(Operation::add, {enlarged, x}), {0, model.in_channels, 0, 0}};
}

// What people want of the output: probabilities, labels, pictures.
Graph finish_in_bytes(models::Task task, GraphLayers& layers, const Ending& network) {
  if (task == models::Task::classification) {
    return layers.finish(layers.add(Operation::softmax, {network.output}), network.shape);
  }
  const bool labels = task == models::Task::segmentation;
  const Value scores =
      labels ? layers.add(Operation::resize_bilinear_like, {network.output, layers.pictures()})
             : network.output;
  const Value bytes = layers.add(labels ? Operation::likeliest : Operation::map_to_bytes, {scores});
  Graph graph = layers.finish(
      bytes, labels ? std::vector<int64_t>(3) : std::vector<int64_t>{0, 0, 0, network.shape[1]});
  graph.byte_output = true;
  return graph;
}

}  // namespace

Graph network_graph(const ResolvedModel& model,
                    models::Task task,
                    const io::NamedTensors& tensors,
                    const std::optional<ByteProcessing>& bytes) {
  GraphLayers layers(model, tensors);
  if (bytes) {
    layers.take_bytes(bytes->mean, bytes->deviation);
  }
  const auto network = [&] {
    switch (task) {
      case models::Task::segmentation:
        return segmenter(model, layers);
      case models::Task::super_resolution:
        return super_resolver(model, layers);
      case models::Task::classification:
        break;
    }
    return classifier(model, layers);
  }();
  return bytes ? finish_in_bytes(task, layers, network)
               : layers.finish(network.output, network.shape);
}

}  // namespace nala::exporting
