// The training recipe: learning rates, parameter groups, a short training.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "comparison.h"
#include "io/state_dict.h"
#include "kinds.h"
#include "passes.h"
#include "train/ema.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace nala::golden {
namespace {

// Soft-target cross-entropy: mean over the batch of sum(-t log softmax(logits)).
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& target) {
  return (-target * at::log_softmax(logits, -1)).sum(-1).mean();
}

// Over all parameters but those whose true gradient is zero.
double gradient_norm(const Entry& entry, const torch::nn::Module& model) {
  const auto zero = entry.fields.value("zero_gradient_params", std::vector<std::string>());
  double square = 0;
  for (const auto& item : model.named_parameters()) {
    if (std::ranges::find(zero, item.key()) == zero.end()) {
      square += item.value().grad().to(at::kDouble).square().sum().item<double>();
    }
  }
  return std::sqrt(square);
}

train::Optimizer optimizer_of(const nlohmann::json& fields, const torch::nn::Module& model) {
  EXPECT_EQ(fields.at("name"), "AdamW");
  train::OptimizerConfig config{.lr = fields.at("lr"),
                                .weight_decay = fields.at("weight_decay"),
                                .betas = fields.at("betas"),
                                .eps = fields.at("eps")};
  return {config, train::parameter_groups(model, config.weight_decay)};
}

void compare_state(Comparison& comparison, const std::string& prefix, const models::Model& model) {
  for (const auto& [name, tensor] : io::state_dict(model)) {
    comparison.compare(prefix + name, tensor);
  }
}

struct Losses {
  std::vector<double> loss;
  std::vector<double> norm;
  std::vector<at::Tensor> logits;
};

Losses train_steps(const Entry& entry,
                   const Tensors& tensors,
                   models::Model& model,
                   models::Model& average) {
  const nlohmann::json& fields = entry.fields;
  train::Optimizer optimizer = optimizer_of(fields.at("optimizer"), model);
  model.train();
  Losses losses;
  for (int step = 0; step < fields.at("steps").get<int>(); ++step) {
    optimizer.zero_grad();
    losses.logits.push_back(model.forward(leaf_map(tensors.at("input.x")), {}).main);
    const at::Tensor loss = soft_cross_entropy(losses.logits.back(), tensors.at("input.target"));
    loss.backward();
    losses.loss.push_back(loss.item<double>());
    losses.norm.push_back(gradient_norm(entry, model));
    optimizer.step(fields.at("optimizer").at("lr"));
    train::update_ema(average, model, fields.at("ema").at("decay"));
  }
  return losses;
}

}  // namespace

void check_lr_schedule(const Entry& entry) {
  const double bound = entry.fields.at("tolerance").at("abs");
  const nlohmann::json runs = json_of(entry);
  for (const auto& [name, run] : runs.items()) {
    const train::ScheduleConfig schedule{.warmup_epochs = run.at("warmup_epochs")};
    const double base =
        5e-4 * run.at("batch_size").get<double>() * run.at("world").get<double>() / 512;
    const int64_t epochs = run.at("epochs");
    ASSERT_EQ(std::ssize(run.at("lr")), epochs);
    const int64_t steps = 7;
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
      for (const int64_t step : {int64_t{0}, steps - 1}) {
        const double rate = train::learning_rate(
            schedule, base, {.total_steps = epochs * steps, .steps_per_epoch = steps},
            epoch * steps + step);
        EXPECT_NEAR(rate, run.at("lr")[epoch].get<double>(), bound) << name << ", epoch " << epoch;
      }
    }
  }
}

void check_weight_decay_groups(const Entry& entry) {
  const nlohmann::json expected = json_of(entry);
  const std::string stem = entry.path().stem().string();
  const std::string variant = stem.substr(stem.rfind('_') + 1);
  const auto model = models::build_model(variant_config(variant), models::Task::classification, 0);
  const auto groups = train::parameter_groups(*model, 0.05);
  ASSERT_EQ(groups.size(), expected.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].weight_decay, expected[i].at("weight_decay").get<double>());
    EXPECT_EQ(groups[i].names, expected[i].at("names").get<std::vector<std::string>>());
  }
}

void check_training_trajectory(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  const auto model = model_of(entry.fields.at("config"));
  const auto average = model_of(entry.fields.at("config"));
  io::load_state_dict_strictly(*model, with_prefix(tensors, "init."), entry.file);
  io::load_state_dict_strictly(*average, with_prefix(tensors, "init."), entry.file);
  const Losses losses = train_steps(entry, tensors, *model, *average);
  Comparison comparison(entry, tensors);
  comparison.compare("loss", torch::tensor(losses.loss, at::kDouble));
  comparison.compare("grad_norm", torch::tensor(losses.norm, at::kDouble));
  comparison.compare("logits_step", at::stack(losses.logits));
  compare_state(comparison, "final.", *model);
  compare_state(comparison, "ema.", *average);
  model->eval();
  const at::NoGradGuard no_grad;
  const at::Tensor x = leaf_map(tensors.at("input.x"));
  comparison.compare("logits_eval_final", model->forward(x, {}).main);
  // From the stored weights the same logits match tightly.
  io::load_state_dict_strictly(*model, with_prefix(tensors, "final."), entry.file);
  const at::Tensor expected = tensors.at("logits_eval_final");
  EXPECT_EQ(violation("rel_to_max", 1e-5, model->forward(x, {}).main.to(at::kDouble),
                      expected.to(at::kDouble), {}),
            "");
  comparison.finish();
}

}  // namespace nala::golden
