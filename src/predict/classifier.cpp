#include "predict/classifier.h"

#include <torch/torch.h>

#include <algorithm>

namespace nala::predict {

std::vector<std::vector<ClassScore>> classify(const Network& network,
                                              const at::Tensor& images,
                                              int64_t top) {
  const at::NoGradGuard no_grad;
  const at::Tensor logits = (*network.model)(images.to(network.device));         // (B, K)
  const at::Tensor probabilities = at::softmax(logits.to(at::kFloat), 1).cpu();  // (B, K)
  const auto [values, indices] =
      probabilities.topk(std::min(top, probabilities.size(1)), 1);  // (B, top) each
  const auto value = values.accessor<float, 2>();
  const auto index = indices.accessor<int64_t, 2>();
  std::vector<std::vector<ClassScore>> results(static_cast<size_t>(images.size(0)));
  for (int64_t i = 0; i < value.size(0); ++i) {
    for (int64_t rank = 0; rank < value.size(1); ++rank) {
      const int64_t number = index[i][rank];
      results[static_cast<size_t>(i)].push_back(
          {.index = number,
           .label = network.classes.at(static_cast<size_t>(number)),
           .probability = value[i][rank]});
    }
  }
  return results;
}

}  // namespace nala::predict
