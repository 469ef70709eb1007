#include "models/super_resolution.h"

#include <torch/torch.h>

#include <numeric>

namespace nala::models {
namespace {

BlockOptions block_options(const ResolvedModel& model, int64_t block) {
  const SuperResolutionSizes& sizes = model.super_resolution;
  const double share =
      sizes.blocks() > 1 ? static_cast<double>(block) / static_cast<double>(sizes.blocks() - 1) : 0;
  return {.attention = {.dim = sizes.channels,
                        .heads = sizes.heads,
                        .kind = BlockKind::linear,
                        .config = model.attention,
                        .implementation = model.implementation},
          .ffn_dim = sizes.ffn_dim(),
          .layer_scale = sizes.layer_scale,
          .drop_path = {.block = block, .rate = static_cast<float>(share * sizes.drop_path)}};
}

Conv2d conv3x3(int64_t in, int64_t out) {
  return Conv2d(Conv2dOptions{.in = in, .out = out});
}

}  // namespace

BlockGroupImpl::BlockGroupImpl(const ResolvedModel& model, size_t index)
    : blocks_(register_module("blocks", torch::nn::ModuleList())),
      conv_(register_module(
          "conv", conv3x3(model.super_resolution.channels, model.super_resolution.channels))) {
  const auto& groups = model.super_resolution.groups;
  const int64_t first =
      std::accumulate(groups.begin(), groups.begin() + static_cast<int64_t>(index), int64_t{0});
  for (int64_t block = 0; block < groups[index]; ++block) {
    blocks_->push_back(Block(block_options(model, first + block)));
  }
}

at::Tensor BlockGroupImpl::forward(const at::Tensor& map,
                                   const ops::Rotation& rotation,
                                   const ForwardContext& context) {
  at::Tensor x = map;
  for (const auto& block : *blocks_) {
    x = block->as<BlockImpl>()->forward(x, rotation, context);
  }
  return map + conv_(x);
}

SuperResolver::SuperResolver(const ResolvedModel& model)
    : sizes_(model.super_resolution),
      conv_first_(register_module("conv_first", conv3x3(model.in_channels, sizes_.channels))),
      rope_(model.attention.rope ? register_module("RoPE", Rope(sizes_.head_dim()))
                                 : Rope(nullptr)),
      groups_(register_module("groups", torch::nn::ModuleList())),
      conv_body_(register_module("conv_body", conv3x3(sizes_.channels, sizes_.channels))) {
  for (size_t i = 0; i < sizes_.groups.size(); ++i) {
    groups_->push_back(BlockGroup(model, i));
  }
  const bool deep = sizes_.reconstruction == Reconstruction::deep;
  if (deep) {
    conv_before_ =
        register_module("conv_before", conv3x3(sizes_.channels, kDeepReconstructionChannels));
  }
  upsample_ = register_module("upsample", torch::nn::ModuleList());
  for (const int64_t factor : sizes_.shuffles()) {
    const int64_t in = deep ? kDeepReconstructionChannels : sizes_.channels;
    const int64_t out = deep ? kDeepReconstructionChannels : model.in_channels;
    upsample_->push_back(conv3x3(in, out * factor * factor));
  }
  if (deep) {
    conv_last_ =
        register_module("conv_last", conv3x3(kDeepReconstructionChannels, model.in_channels));
  }
}

at::Tensor SuperResolver::reconstruct(const at::Tensor& features) {
  at::Tensor x = conv_before_ ? at::leaky_relu(conv_before_(features), 0.01) : features;
  const auto factors = sizes_.shuffles();
  for (size_t i = 0; i < factors.size(); ++i) {
    x = at::pixel_shuffle(upsample_->at<Conv2dImpl>(i).forward(x), factors[i]);
  }
  return conv_last_ ? conv_last_(x) : x;
}

// a = -1/2, which torch's antialiased form has, its other one -3/4; enlarging, it does not blur.
at::Tensor SuperResolver::bicubic(const at::Tensor& images) const {
  const int64_t s = sizes_.scale;
  return at::_upsample_bicubic2d_aa(images, {s * images.size(2), s * images.size(3)},
                                    /*align_corners=*/false);
}

Outputs SuperResolver::forward(const at::Tensor& images, const ForwardContext& context) {
  const at::Tensor x = images.contiguous(at::MemoryFormat::ChannelsLast);
  const ops::Rotation rotation = rope_ ? rope_->tables(x.size(2), x.size(3)) : ops::Rotation{};
  const at::Tensor shallow = conv_first_(x - 0.5);  // (B, C, H, W)
  at::Tensor features = shallow;
  for (const auto& group : *groups_) {
    features = group->as<BlockGroupImpl>()->forward(features, rotation, context);
  }
  features = shallow + conv_body_(features);
  return {.main = bicubic(x) + reconstruct(features), .auxiliary = {}};
}

}  // namespace nala::models
