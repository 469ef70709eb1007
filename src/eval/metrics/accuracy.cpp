#include "eval/metrics/accuracy.h"

#include <torch/torch.h>

namespace nala::eval {

void Accuracy::add(const at::Tensor& logits, const at::Tensor& labels) {
  TORCH_CHECK(logits.dim() == 2 && labels.dim() == 1 && logits.size(0) == labels.size(0),
              "accuracy: logits ", logits.sizes(), ", labels ", labels.sizes());
  const at::Tensor scores = logits.to(at::kFloat);                                    // (B, K)
  const at::Tensor own = scores.gather(1, labels.unsqueeze(1));                       // (B, 1)
  const at::Tensor index = at::arange(scores.size(1), labels.options());              // (K)
  const at::Tensor tied = scores.eq(own).logical_and(index.lt(labels.unsqueeze(1)));  // (B, K)
  const at::Tensor better = scores.gt(own).logical_or(tied).sum(1);                   // (B)
  const at::Tensor valid = own.squeeze(1).isnan().logical_not();                      // (B)
  images_ += labels.size(0);
  top1_ += better.lt(1).logical_and(valid).sum().item<int64_t>();
  top5_ += better.lt(5).logical_and(valid).sum().item<int64_t>();
  const at::Tensor log_probability = at::log_softmax(scores, 1).gather(1, labels.unsqueeze(1));
  loss_sum_ -= log_probability.sum(at::kDouble).item<double>();
}

at::Tensor Accuracy::sums() const {
  return at::tensor({static_cast<double>(images_), static_cast<double>(top1_),
                     static_cast<double>(top5_), loss_sum_},
                    at::kDouble);  // (4)
}

Accuracy Accuracy::from_sums(const at::Tensor& sums) {
  TORCH_CHECK(sums.numel() == 4, "accuracy: ", sums.numel(), " sums, expected 4");
  Accuracy accuracy;
  accuracy.images_ = sums[0].item<int64_t>();
  accuracy.top1_ = sums[1].item<int64_t>();
  accuracy.top5_ = sums[2].item<int64_t>();
  accuracy.loss_sum_ = sums[3].item<double>();
  return accuracy;
}

double Accuracy::loss() const {
  return images_ == 0 ? 0.0 : loss_sum_ / static_cast<double>(images_);
}

double Accuracy::percent(int64_t count) const {
  return images_ == 0 ? 0.0 : 100.0 * static_cast<double>(count) / static_cast<double>(images_);
}

}  // namespace nala::eval
