#include "eval/evaluator.h"

#include <torch/torch.h>

namespace nala::eval {

Accuracy evaluate_classification(const Forward& forward,
                                 data::Loader& loader,
                                 at::Device device,
                                 const OnProgress& on_progress) {
  const at::NoGradGuard no_grad;
  Accuracy accuracy;
  loader.start(0, 0);
  while (const auto batch = loader.next()) {
    accuracy.add(forward(batch->images.to(device)), batch->labels.to(device));
    if (on_progress) {
      on_progress(accuracy.images());
    }
  }
  return accuracy;
}

}  // namespace nala::eval
