#include "train/non_finite.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace nala::train {
namespace {

constexpr size_t kNamed = 8;

}  // namespace

void stop_on_non_finite(const FailedStep& failed,
                        models::Model& model,
                        const Task& task,
                        const data::Dataset& dataset) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> culprits;
  std::vector<std::string> all;
  for (const data::Batch& batch : failed.batches) {
    const models::Outputs outputs =
        model.forward(batch.images, {.seed = failed.seed,
                                     .step = static_cast<uint64_t>(failed.step),
                                     .positions = batch.positions});
    const at::Tensor finite = task.loss(outputs, batch).per_sample.isfinite().to(at::kCPU);  // (B)
    for (size_t i = 0; i < batch.indices.size(); ++i) {
      all.push_back(dataset.path(batch.indices[i]));
      if (!finite[static_cast<int64_t>(i)].item<bool>()) {
        culprits.push_back(all.back());
      }
    }
  }
  const std::vector<std::string>& named = culprits.empty() ? all : culprits;
  std::string message = "step " + std::to_string(failed.step) + ": ";
  message += std::isfinite(failed.loss) ? "gradient norm " + std::to_string(failed.gradient_norm)
                                        : "loss " + std::to_string(failed.loss);
  message += " is not finite; the weights are untouched; " + std::to_string(named.size()) +
             (culprits.empty() ? " samples in the step:" : " samples with such a loss:");
  for (size_t i = 0; i < std::min(named.size(), kNamed); ++i) {
    message += " " + named[i];
  }
  throw Error(ErrorKind::numeric, message + (named.size() > kNamed ? " ..." : ""));
}

}  // namespace nala::train
