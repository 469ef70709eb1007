#include "models/nalaformer.h"

#include <torch/torch.h>

#include "models/recompute.h"
#include "models/stage.h"

namespace nala::models {

Backbone::Backbone(torch::nn::Module& owner, const ResolvedModel& model)
    : patch_embed_(
          owner.register_module("patch_embed", PatchEmbed(model.in_channels, model.embed_dims[0]))),
      layers_(owner.register_module("layers", torch::nn::ModuleList())) {
  for (int stage = 0; stage < kStages; ++stage) {
    layers_->push_back(Stage(model, stage));
  }
}

std::array<at::Tensor, kStages> Backbone::features(const at::Tensor& images,
                                                   const ForwardContext& context) {
  std::array<at::Tensor, kStages> maps;
  at::Tensor x = patch_embed_(images);
  for (int i = 0; i < kStages; ++i) {
    StageImpl& stage = layers_->at<StageImpl>(i);
    const auto run = [&stage, context](const at::Tensor& map) {
      return stage.forward(map, context);
    };
    const bool again = (context.recomputed_stages >> i & 1U) != 0;
    maps[i] = again ? recomputed(run, x, stage.block_parameters()) : run(x);
    x = stage.downsample(maps[i]);
  }
  return maps;
}

}  // namespace nala::models
