// Learning from another network (Hinton, Vinyals, Dean 2015; Touvron et al. 2021).
#pragma once

#include <functional>
#include <memory>

#include "train/distill_config.h"
#include "train/task.h"

namespace nala::train {

/// Images (B, 3, H, W) -> logits (B, K) without a gradient.
using Teacher = std::function<at::Tensor(const at::Tensor& images)>;

/// Loads a teacher: a file ending in .pt as TorchScript (images in, logits out), anything else as
/// load_weights() takes it (the averaged weights where there are some). It sees the student's
/// pictures as they are. Throws Error(checkpoint).
Teacher load_teacher(const std::filesystem::path& path, at::Device device);

/// Per sample the distillation part of DeiT's DistillationLoss; logits (B, K), result (B) float32.
/// soft: T^2 / K * KL(teacher || student) at temperature T; hard: cross-entropy with the teacher's
/// best class.
at::Tensor distillation_loss(const DistillConfig& config,
                             const at::Tensor& student,
                             const at::Tensor& teacher);

/// A task whose loss is (1 - alpha) times its own plus alpha times the distillation loss.
class DistillTask : public Task {
 public:
  DistillTask(std::unique_ptr<Task> task, Teacher teacher, const DistillConfig& config)
      : task_(std::move(task)), teacher_(std::move(teacher)), config_(config) {}

  [[nodiscard]] StepLoss loss(const models::Outputs& outputs,
                              const data::Batch& batch) const override;
  at::Tensor tally(models::Model& model,
                   data::Loader& loader,
                   at::Device device,
                   const std::function<void(int64_t images)>& on_progress) const override;
  [[nodiscard]] nlohmann::ordered_json metrics(const at::Tensor& tally) const override;
  void write_details(const at::Tensor& tally, const std::filesystem::path& folder) const override {
    task_->write_details(tally, folder);
  }
  [[nodiscard]] std::string_view best_metric() const override { return task_->best_metric(); }
  std::vector<report::Sample> samples(models::Model& model,
                                      const data::Dataset& dataset,
                                      const data::DataConfig& data,
                                      at::Device device,
                                      int64_t count) const override;

 private:
  std::unique_ptr<Task> task_;
  Teacher teacher_;
  DistillConfig config_;
};

}  // namespace nala::train
