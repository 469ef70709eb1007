// Classification: soft-target cross-entropy, top-1 and top-5.
#pragma once

#include "train/task.h"

namespace nala::train {

class ClassifyTask : public Task {
 public:
  explicit ClassifyTask(double label_smoothing) : label_smoothing_(label_smoothing) {}

  [[nodiscard]] StepLoss loss(const models::Outputs& outputs,
                              const data::Batch& batch) const override;
  at::Tensor tally(models::Model& model,
                   data::Loader& loader,
                   at::Device device,
                   const std::function<void(int64_t images)>& on_progress) const override;
  [[nodiscard]] nlohmann::ordered_json metrics(const at::Tensor& tally) const override;
  [[nodiscard]] std::string_view best_metric() const override { return "top1"; }
  std::vector<report::Sample> samples(models::Model& model,
                                      const data::Dataset& dataset,
                                      const data::DataConfig& data,
                                      at::Device device,
                                      int64_t count) const override;

 private:
  double label_smoothing_;
};

/// Soft targets (B, K) float32: on = 1 - e + e/K at the label, off = e/K elsewhere; where the batch
/// is mixed, the two labels' targets in the proportion of `label_weights` (timm's mixup_target).
at::Tensor soft_targets(const data::Batch& batch, int64_t classes, double label_smoothing);

/// Per sample -sum(t * log_softmax(logits)); logits (B, K), targets (B, K), result (B) float32.
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace nala::train
