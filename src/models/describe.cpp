#include "models/describe.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "models/describe_parts.h"

namespace nala::models {
namespace {

void describe_stem(const ResolvedModel& model, DescriptionWriter& writer) {
  const int64_t half = model.embed_dims[0] / 2;
  const std::array<int64_t, 5> widths = {model.in_channels, half, half, half, model.embed_dims[0]};
  for (int i = 0; i < 4; ++i) {
    const auto name = [i](int part) { return "patch_embed.proj." + std::to_string(3 * i + part); };
    if (i == 0 || i == 3) {
      writer.size = writer.size.halved();
    }
    writer.conv(name(0), {.in = widths[i], .out = widths[i + 1]});
    writer.batch_norm(name(1), widths[i + 1]);
    if (i < 3) {
      writer.elementwise(name(2), "gelu", widths[i + 1]);
    }
  }
}

void describe_stage(const ResolvedModel& model, int stage, DescriptionWriter& writer) {
  for (size_t block = 0; block < model.blocks[stage].size(); ++block) {
    describe_block({.dim = model.embed_dims[stage],
                    .heads = model.heads[stage],
                    .ffn_dim = model.ffn_dim(stage),
                    .kind = model.blocks[stage][block],
                    .attention = model.attention,
                    .layer_scale = model.layer_scale.has_value()},
                   "layers." + std::to_string(stage) + ".blocks." + std::to_string(block), writer);
  }
  if (stage + 1 == kStages) {
    return;
  }
  const std::string name = "layers." + std::to_string(stage) + ".downsample.";
  writer.size = writer.size.halved();
  writer.conv(name + "reduction",
              {.in = model.embed_dims[stage], .out = model.embed_dims[stage + 1]});
  writer.batch_norm(name + "norm", model.embed_dims[stage + 1]);
}

void describe_classifier(const ResolvedModel& model, DescriptionWriter& writer) {
  writer.linear("proj", model.embed_dims.back(), model.projection);
  writer.batch_norm("norm", model.projection);
  writer.elementwise("swish", "silu", model.projection);
  writer.average_pool("avgpool", model.projection);
  writer.conv("head", {.in = model.projection, .out = model.num_classes, .kernel = 1});
}

int64_t total(const std::vector<Layer>& layers, int64_t Layer::*member) {
  return std::accumulate(layers.begin(), layers.end(), int64_t{0},
                         [&](int64_t sum, const Layer& layer) { return sum + layer.*member; });
}

}  // namespace

std::array<MapSize, kStages> describe_backbone(const ResolvedModel& model,
                                               DescriptionWriter& writer) {
  std::array<MapSize, kStages> sizes;
  describe_stem(model, writer);
  for (int stage = 0; stage < kStages; ++stage) {
    sizes[stage] = writer.size;
    describe_stage(model, stage, writer);
  }
  return sizes;
}

int64_t Description::parameters() const {
  return total(layers, &Layer::parameters);
}

int64_t Description::multiply_adds() const {
  return total(layers, &Layer::multiply_adds);
}

int64_t Description::activation_bytes() const {
  return total(layers, &Layer::activation_bytes);
}

std::map<std::string, int64_t> Description::multiply_adds_by_operation() const {
  std::map<std::string, int64_t> sums;
  for (const Layer& layer : layers) {
    if (layer.multiply_adds > 0) {
      sums[layer.operation] += layer.multiply_adds;
    }
  }
  return sums;
}

Description Description::below(std::string_view module) const {
  Description part;
  std::ranges::copy_if(layers, std::back_inserter(part.layers), [&](const Layer& layer) {
    return layer.name.starts_with(module) &&
           (layer.name.size() == module.size() || layer.name[module.size()] == '.');
  });
  return part;
}

std::string title_of(const ResolvedModel& model, Task task) {
  if (task != Task::super_resolution) {
    return model.name;
  }
  const SuperResolutionSizes& sizes = model.super_resolution;
  const auto size = names_of(sizes.size)[static_cast<size_t>(sizes.size)];
  return "super-resolution " + std::string(size) + " x" + std::to_string(sizes.scale);
}

Description describe(const ResolvedModel& model, Task task, int64_t height, int64_t width) {
  DescriptionWriter writer({height, width});
  if (task == Task::super_resolution) {
    describe_super_resolution(model, writer);
    return std::move(writer.description);
  }
  if (model.num_classes < 1) {
    throw Error(ErrorKind::config, "model.num_classes: 0, expected the number of classes");
  }
  if (task == Task::segmentation) {
    describe_segmentation(model, writer);
  } else {
    describe_backbone(model, writer);
    describe_classifier(model, writer);
  }
  return std::move(writer.description);
}

}  // namespace nala::models
