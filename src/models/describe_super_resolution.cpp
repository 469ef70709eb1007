#include "core/error.h"
#include "models/describe_parts.h"

namespace nala::models {
namespace {

void describe_reconstruction(const ResolvedModel& model, DescriptionWriter& writer) {
  const SuperResolutionSizes& sizes = model.super_resolution;
  const bool deep = sizes.reconstruction == Reconstruction::deep;
  int64_t in = sizes.channels;
  if (deep) {
    writer.conv("conv_before", {.in = in, .out = kDeepReconstructionChannels});
    in = kDeepReconstructionChannels;
  }
  const int64_t out = deep ? kDeepReconstructionChannels : model.in_channels;
  const auto factors = sizes.shuffles();
  for (size_t i = 0; i < factors.size(); ++i) {
    const int64_t factor = factors[i];
    writer.conv("upsample." + std::to_string(i), {.in = in, .out = out * factor * factor});
    writer.size = {factor * writer.size.height, factor * writer.size.width};
    writer.elementwise("upsample." + std::to_string(i), "pixel_shuffle", out);
  }
  if (deep) {
    writer.conv("conv_last", {.in = in, .out = model.in_channels});
  }
}

}  // namespace

void describe_super_resolution(const ResolvedModel& model, DescriptionWriter& writer) {
  const SuperResolutionSizes& sizes = model.super_resolution;
  if (sizes.scale == 0) {
    throw Error(ErrorKind::config, "model.super_resolution.scale: 0, expected 2, 3 or 4");
  }
  const ConvShape within = {.in = sizes.channels, .out = sizes.channels};
  writer.conv("conv_first", {.in = model.in_channels, .out = sizes.channels});
  for (size_t group = 0; group < sizes.groups.size(); ++group) {
    const std::string name = "groups." + std::to_string(group);
    for (int64_t block = 0; block < sizes.groups[group]; ++block) {
      describe_block({.dim = sizes.channels,
                      .heads = sizes.heads,
                      .ffn_dim = sizes.ffn_dim(),
                      .attention = model.attention,
                      .layer_scale = sizes.layer_scale.has_value()},
                     name + ".blocks." + std::to_string(block), writer);
    }
    writer.conv(name + ".conv", within);
  }
  writer.conv("conv_body", within);
  describe_reconstruction(model, writer);
}

}  // namespace nala::models
