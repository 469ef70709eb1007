// Classification: soft-target cross-entropy, top-1 and top-5.
#pragma once

#include <memory>
#include <optional>

#include "eval/metrics/real_labels.h"
#include "train/task.h"

namespace nala::train {

class ClassifyTask : public Task {
 public:
  /// `evaluated` gives the pictures' names where the recipe has ReaL labels. Throws Error(data) for
  /// a file of labels that cannot be used.
  ClassifyTask(const Recipe& recipe, std::shared_ptr<const data::Dataset> evaluated);

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
  std::shared_ptr<const data::Dataset> evaluated_;
  std::optional<eval::RealLabels> real_labels_;
};

/// Soft targets (B, K) float32: on = 1 - e + e/K at the label, off = e/K elsewhere; where the batch
/// is mixed, the two labels' targets in the proportion of `label_weights` (timm's mixup_target).
at::Tensor soft_targets(const data::Batch& batch, int64_t classes, double label_smoothing);

/// Per sample -sum(t * log_softmax(logits)); logits (B, K), targets (B, K), result (B) float32.
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace nala::train
