#include "train/tasks/distill.h"

#include <torch/script.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/state_dict.h"
#include "train/weights.h"

namespace nala::train {
namespace {

Teacher torchscript_teacher(const std::filesystem::path& path, at::Device device) {
  torch::jit::Module module;
  try {
    module = torch::jit::load(path.string(), device);
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::checkpoint,
                path.string() + ": no TorchScript file: " + error.what_without_backtrace());
  }
  module.eval();
  return [module](const at::Tensor& images) mutable { return module.forward({images}).toTensor(); };
}

Teacher checkpoint_teacher(const std::filesystem::path& path, at::Device device) {
  const Weights weights = load_weights(path);
  auto model = models::build_model(weights.recipe.model, weights.recipe.task, 0);
  io::load_state_dict_strictly(*model, weights.ema.empty() ? weights.raw : weights.ema,
                               weights.source);
  model->to(device);
  model->eval();
  return [model](const at::Tensor& images) { return (*model)(images); };
}

}  // namespace

Teacher load_teacher(const std::filesystem::path& path, at::Device device) {
  Teacher teacher = path.extension() == ".pt" ? torchscript_teacher(path, device)
                                              : checkpoint_teacher(path, device);
  return [teacher](const at::Tensor& images) {
    const at::NoGradGuard no_grad;
    return teacher(images);
  };
}

at::Tensor distillation_loss(const DistillConfig& config,
                             const at::Tensor& student,
                             const at::Tensor& teacher) {
  if (student.sizes() != teacher.sizes()) {
    throw Error(ErrorKind::config, "distill.teacher: gives " + std::to_string(teacher.size(-1)) +
                                       " classes, the model has " +
                                       std::to_string(student.size(-1)));
  }
  if (config.kind == DistillKind::hard) {
    return at::cross_entropy_loss(student.to(at::kFloat), teacher.argmax(1), {}, 0);  // (B)
  }
  const double t = config.temperature;
  const at::Tensor of_student = at::log_softmax(student.to(at::kFloat) / t, 1);         // (B, K)
  const at::Tensor of_teacher = at::log_softmax(teacher.to(at::kFloat) / t, 1);         // (B, K)
  const at::Tensor divergence = (of_teacher.exp() * (of_teacher - of_student)).sum(1);  // (B)
  return divergence * (t * t / static_cast<double>(student.size(1)));
}

StepLoss DistillTask::loss(const models::Outputs& outputs, const data::Batch& batch) const {
  const StepLoss own = task_->loss(outputs, batch);
  const at::Tensor distilled =
      distillation_loss(config_, outputs.main, teacher_(batch.images));  // (B)
  return {
      .total = own.total * (1.0 - config_.alpha) + distilled.mean() * config_.alpha,
      .per_sample = own.per_sample * (1.0 - config_.alpha) + distilled.detach() * config_.alpha};
}

at::Tensor DistillTask::tally(models::Model& model,
                              data::Loader& loader,
                              at::Device device,
                              const std::function<void(int64_t images)>& on_progress) const {
  return task_->tally(model, loader, device, on_progress);
}

nlohmann::ordered_json DistillTask::metrics(const at::Tensor& tally) const {
  return task_->metrics(tally);
}

std::vector<report::Sample> DistillTask::samples(models::Model& model,
                                                 const data::Dataset& dataset,
                                                 const data::DataConfig& data,
                                                 at::Device device,
                                                 int64_t count) const {
  return task_->samples(model, dataset, data, device, count);
}

}  // namespace nala::train
