#include "bench/network_step.h"

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <memory>
#include <numeric>
#include <vector>

#include "bench/step_profile.h"
#include "inference/fuse.h"
#include "models/model.h"
#include "train/amp.h"
#include "train/optimizer.h"
#include "train/param_groups.h"

namespace nala::tools {
namespace {

// A network with pictures of noise to run on.
struct Subject {
  std::shared_ptr<models::Model> model;
  at::Tensor images;  // (B, 3, H, W), channels-last
  train::Amp amp = train::Amp::none;
};

Subject subject_of(const train::Recipe& recipe, const StepSetting& setting, at::Device device) {
  Subject subject;
  subject.model = models::build_model(recipe.model, recipe.task, recipe.seed);
  subject.model->to(device);
  subject.images = at::randn({setting.batch, recipe.model.in_channels, recipe.data.height(),
                              recipe.data.width()},
                             at::TensorOptions(device))
                       .contiguous(at::MemoryFormat::ChannelsLast);
  subject.amp = setting.dtype == at::kFloat      ? train::Amp::none
                : setting.dtype == at::kBFloat16 ? train::Amp::bf16
                                                 : train::Amp::fp16;
  return subject;
}

// Puts the fused form in the model's place, which keeps half precision to its products.
void fuse(Subject& subject, const train::Recipe& recipe) {
  subject.model = inference::fused(subject.model, recipe.model,
                                   subject.amp == train::Amp::bf16 ? ops::cpu::Precision::bfloat16
                                                                   : ops::cpu::Precision::float32);
  subject.amp = train::Amp::none;
}

// Everything a training step changes.
struct Training {
  Training(const train::Recipe& recipe, const StepSetting& setting, at::Device device)
      : subject(subject_of(recipe, setting, device)),
        optimizer(recipe.optimizer,
                  train::parameter_groups(*subject.model, recipe.optimizer.weight_decay)),
        rate(recipe.optimizer.lr),
        positions(static_cast<size_t>(setting.batch)),
        labels(at::zeros({setting.batch}, at::TensorOptions(at::kLong).device(device))) {
    subject.model->train();
    std::iota(positions.begin(), positions.end(), 0);
  }

  void step() {
    models::Outputs outputs;
    {
      const train::AutocastScope scope(subject.amp, subject.images.device().type());
      outputs = subject.model->forward(subject.images, {.positions = positions});
    }
    torch::nn::functional::cross_entropy(outputs.main, labels).backward();
    RECORD_FUNCTION(kOptimizerScope, c10::ArrayRef<const c10::IValue>());
    optimizer.step(rate);
    optimizer.zero_grad();
  }

  Subject subject;
  train::Optimizer optimizer;
  double rate;
  std::vector<int64_t> positions;
  at::Tensor labels;  // (B)
};

}  // namespace

std::function<void()> inference_step(const train::Recipe& recipe,
                                     const StepSetting& setting,
                                     at::Device device) {
  Subject subject = subject_of(recipe, setting, device);
  subject.model->eval();
  if (setting.fused) {
    fuse(subject, recipe);
  }
  return [subject, type = device.type()] {
    const at::NoGradGuard no_grad;
    const train::AutocastScope scope(subject.amp, type);
    subject.model->forward(subject.images, {});
  };
}

std::function<void()> training_step(const train::Recipe& recipe,
                                    const StepSetting& setting,
                                    at::Device device) {
  const auto training = std::make_shared<Training>(recipe, setting, device);
  training->step();
  return [training] { training->step(); };
}

}  // namespace nala::tools
