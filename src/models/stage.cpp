#include "models/stage.h"

#include <torch/torch.h>

namespace nala::models {
namespace {

BlockOptions block_options(const ResolvedModel& model, int stage, size_t block) {
  size_t before = 0;
  for (int i = 0; i < stage; ++i) {
    before += model.blocks[i].size();
  }
  BlockOptions options{.attention = {.dim = model.embed_dims[stage],
                                     .heads = model.heads[stage],
                                     .kind = model.blocks[stage][block],
                                     .config = model.attention,
                                     .implementation = model.implementation},
                       .ffn_dim = model.ffn_dim(stage),
                       .layer_scale = std::nullopt,
                       .drop_path = {.block = static_cast<int64_t>(before + block),
                                     .rate = model.drop_path_rates()[before + block]}};
  if (model.layer_scale) {
    options.layer_scale = (*model.layer_scale)[stage];
  }
  return options;
}

}  // namespace

RopeImpl::RopeImpl(int64_t head_dim)
    : angle_(register_buffer("angle", ops::rope_angle(head_dim))) {}

ops::Rotation RopeImpl::tables(int64_t height, int64_t width) const {
  return ops::rope_tables(angle_, height, width);
}

StageImpl::StageImpl(const ResolvedModel& model, int index)
    : rope_(model.attention.rope ? register_module("RoPE", Rope(model.head_dim(index)))
                                 : Rope(nullptr)),
      blocks_(register_module("blocks", torch::nn::ModuleList())),
      downsample_(index + 1 < kStages ? register_module("downsample",
                                                        Downsample(model.embed_dims[index],
                                                                   model.embed_dims[index + 1]))
                                      : Downsample(nullptr)) {
  for (size_t block = 0; block < model.blocks[index].size(); ++block) {
    blocks_->push_back(Block(block_options(model, index, block)));
  }
}

at::Tensor StageImpl::forward(const at::Tensor& map, const ForwardContext& context) {
  const ops::Rotation rotation = rope_ ? rope_->tables(map.size(2), map.size(3)) : ops::Rotation{};
  at::Tensor x = map;
  for (const auto& block : *blocks_) {
    x = block->as<BlockImpl>()->forward(x, rotation, context);
  }
  return x;
}

at::Tensor StageImpl::downsample(const at::Tensor& map) {
  return downsample_ ? downsample_(map) : map;
}

}  // namespace nala::models
