#include "train/ema.h"

#include <torch/torch.h>

#include "io/state_dict.h"

namespace nala::train {

void update_ema(torch::nn::Module& average, const torch::nn::Module& model, double decay) {
  const at::NoGradGuard no_grad;
  const io::NamedTensors target = io::state_dict(average);
  const io::NamedTensors source = io::state_dict(model);
  std::vector<at::Tensor> averages;
  std::vector<at::Tensor> values;
  for (size_t i = 0; i < target.size(); ++i) {
    const at::Tensor& entry = target[i].second;
    if (entry.is_floating_point()) {
      averages.push_back(entry);
      values.push_back(source[i].second);
    } else {
      entry.copy_(entry * decay + source[i].second * (1.0 - decay));
    }
  }
  at::_foreach_mul_(averages, decay);
  at::_foreach_add_(averages, values, 1.0 - decay);
}

}  // namespace nala::train
