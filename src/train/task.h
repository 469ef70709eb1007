// What a training run optimises and measures: one implementation per kind of network.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "data/loader.h"
#include "models/model.h"
#include "report/page.h"
#include "train/recipe.h"

namespace nala::train {

/// A loss with what it is made of.
struct StepLoss {
  at::Tensor total;  ///< () float32, differentiable
  at::Tensor
      per_sample;  ///< (B) float32, detached: names the culprits when the total is not finite
};

/// Batch -> loss, loader -> metrics. Stateless between calls; not thread-safe.
class Task {
 public:
  virtual ~Task() = default;

  [[nodiscard]] virtual StepLoss loss(const models::Outputs& outputs,
                                      const data::Batch& batch) const = 0;
  /// What the metrics of one set are made of: sums (n) float64 on the CPU that may be added over
  /// any split of the set, such as the processes of a run. `model` is in evaluation mode.
  virtual at::Tensor tally(models::Model& model,
                           data::Loader& loader,
                           at::Device device,
                           const std::function<void(int64_t images)>& on_progress) const = 0;
  /// The metrics as they go into metrics.jsonl and `eval --json`, `images` among them. Throws
  /// Error(data) where nothing could be evaluated.
  [[nodiscard]] virtual nlohmann::ordered_json metrics(const at::Tensor& tally) const = 0;
  /// Writes what does not fit into numbers, such as tables, into an existing folder.
  virtual void write_details(const at::Tensor& /*tally*/,
                             const std::filesystem::path& /*folder*/) const {}
  /// The metric that decides which checkpoint is best; larger is better.
  [[nodiscard]] virtual std::string_view best_metric() const = 0;
  /// Up to `count` pictures of the set with what the model says of them, for the report.
  virtual std::vector<report::Sample> samples(models::Model& model,
                                              const data::Dataset& dataset,
                                              const data::DataConfig& data,
                                              at::Device device,
                                              int64_t count) const = 0;
};

/// The task of a recipe, to be evaluated on pictures of `evaluated`. Throws Error(config).
std::unique_ptr<Task> build_task(const Recipe& recipe,
                                 const std::shared_ptr<const data::Dataset>& evaluated);

}  // namespace nala::train
