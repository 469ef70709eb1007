#include "small_model.h"

#include <torch/torch.h>

namespace nala::models {

ModelConfig small_config() {
  return {.name = ModelName::custom,
          .embed_dims = std::vector<int64_t>{8, 16, 16, 24},
          .depths = std::vector<int64_t>{1, 1, 2, 1},
          .heads = std::vector<int64_t>{1, 2, 2, 3},
          .mlp_ratio = 2,
          .stage_kinds = std::vector<std::string>{"l", "linear", "lv", "softmax"},
          .projection = 32,
          .num_classes = 5};
}

std::shared_ptr<Model> small_model(uint64_t seed, const ModelConfig& config) {
  return build_model(config, Task::classification, seed);
}

at::Tensor pictures(int64_t batch, int64_t height, int64_t width) {
  const int64_t count = batch * 3 * height * width;
  const at::Tensor values = (at::arange(count, at::kDouble) * 0.7548776662466927).sin();
  return values.to(at::kFloat)
      .view({batch, 3, height, width})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace nala::models
