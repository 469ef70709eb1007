#include "eval/evaluator.h"

#include <torch/torch.h>

namespace nala::eval {

Accuracy evaluate_classification(const Forward& forward,
                                 data::Loader& loader,
                                 at::Device device,
                                 const OnProgress& on_progress,
                                 const OnLogits& on_logits) {
  const at::NoGradGuard no_grad;
  Accuracy accuracy;
  loader.start(0, 0);
  while (const auto batch = loader.next()) {
    const at::Tensor logits = forward(batch->images.to(device));  // (B, K)
    accuracy.add(logits, batch->labels.to(device));
    if (on_logits) {
      on_logits(*batch, logits);
    }
    if (on_progress) {
      on_progress(accuracy.images());
    }
  }
  return accuracy;
}

}  // namespace nala::eval
