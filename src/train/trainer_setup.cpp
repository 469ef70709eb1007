// What a Trainer is built from: data, network, and the numbers that follow from both.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "io/state_dict.h"
#include "models/batch_norm.h"
#include "train/distributed/agreement.h"
#include "train/fit_to_data.h"
#include "train/param_groups.h"
#include "train/trainer.h"
#include "train/weights.h"

namespace nala::train {

void Trainer::build_data() {
  train_set_ = data::build_dataset(recipe_.data, data::Split::train);
  val_set_ = data::build_dataset(recipe_.data, data::Split::val);
  if (const std::string remark = remark_on_cache(*train_set_); !remark.empty()) {
    log_.warning(remark);
  }
  const auto seed = static_cast<uint64_t>(recipe_.seed);
  const auto loader = [&](const std::shared_ptr<const data::Dataset>& set, data::Split split) {
    return std::make_unique<data::Loader>(set, recipe_.data,
                                          data::LoaderOptions{.split = split,
                                                              .seed = seed,
                                                              .rank = group_.rank(),
                                                              .world = group_.world(),
                                                              .drop_last = std::nullopt});
  };
  train_loader_ = loader(train_set_, data::Split::train);
  val_loader_ = loader(val_set_, data::Split::val);
  length_.steps_per_epoch = train_loader_->batches_per_epoch() / recipe_.train.accumulate;
  if (length_.steps_per_epoch < 1) {
    throw Error(ErrorKind::config, "data.batch_size: " + std::to_string(recipe_.data.batch_size) +
                                       " x accumulate " + std::to_string(recipe_.train.accumulate) +
                                       " x " + std::to_string(group_.world()) +
                                       " process(es) is more than the " +
                                       std::to_string(train_set_->size()) + " training pictures");
  }
  length_.total_steps =
      recipe_.train.max_steps > 0
          ? recipe_.train.max_steps
          : std::max<int64_t>(1, std::llround(recipe_.train.epochs *
                                              static_cast<double>(length_.steps_per_epoch)));
  fit_to_data(recipe_, *train_set_);
}

void Trainer::build_network() {
  const auto seed = static_cast<uint64_t>(recipe_.seed);
  recipe_.model.implementation = recipe_.ops.implementation;
  model_ = models::build_model(recipe_.model, recipe_.task, seed);
  if (!recipe_.init.checkpoint.value.empty()) {
    start_from_weights();
  }
  model_->to(options_.device);
  if (recipe_.ema.enabled) {
    average_ = models::build_model(recipe_.model, recipe_.task, seed);
    average_->to(options_.device);
    io::load_state_dict_strictly(*average_, io::state_dict(*model_), "the model");
    average_->eval();
  }
  freezing_ = std::make_unique<Freezing>(*model_, recipe_.train.freeze);
  reducer_ = std::make_unique<GradientReducer>(*model_, group_, recipe_.distributed);
  if (!group_.alone() && recipe_.distributed.sync_batch_norm) {
    models::synchronise_batch_norm(
        *model_, [this](const at::Tensor& sums) { group_.sum(sums, "statistics of the batch"); });
  }
  optimizer_ = std::make_unique<Optimizer>(
      recipe_.optimizer,
      parameter_groups(*model_, recipe_.optimizer.weight_decay, recipe_.optimizer.layer_decay,
                       {recipe_.optimizer.decay_by, recipe_.optimizer.undecayed}));
}

void Trainer::agree() {
  if (group_.alone()) {
    return;
  }
  const std::string own = config::to_yaml(config::write(recipe_));
  const std::string first = group_.broadcast(own, "comparison of the configurations");
  const auto differences =
      recipe_differences(config::parse(first, "rank 0"), config::parse(own, group_.name()));
  if (!differences.empty()) {
    throw Error(ErrorKind::config, "configured unlike rank 0: " + differences.front());
  }
  std::string classes;
  for (const std::string& name : train_set_->classes()) {
    classes += name + "\n";
  }
  require_same(group_,
               "training pictures: " + std::to_string(train_set_->size()) +
                   "\nvalidation pictures: " + std::to_string(val_set_->size()) +
                   "\nclasses: sha256 " + sha256(classes) + "\n",
               "the data");
  io::NamedTensors tensors = io::state_dict(*model_);
  if (average_) {
    const io::NamedTensors more = io::state_dict(*average_);
    tensors.insert(tensors.end(), more.begin(), more.end());
  }
  const std::vector<std::string> replaced = share(group_, tensors, "initial weights");
  if (!replaced.empty()) {
    log_.warning(
        std::to_string(replaced.size()) +
        " tensors started with other values than rank 0's, which replace them; the first: " +
        replaced.front());
  }
}

Recipe Trainer::recipe_of(int64_t world) const {
  Recipe recipe = recipe_;
  const int64_t together = recipe_.data.batch_size * group_.world();
  if (together % world != 0) {
    return recipe;
  }
  recipe.data.batch_size = together / world;
  const data::AugmentConfig& augment = recipe_.data.augment;
  const int64_t before = recipe.data.group_size();
  const int64_t now = recipe_.data.group_size();
  if (before != now && (augment.mixes() || augment.repeats > 1)) {
    log_.warning("data.mix_group is 0: " + std::to_string(before) +
                 " pictures were mixed with each other so far, " + std::to_string(now) +
                 " are from here on; state it where the number of processes may change");
  }
  return recipe;
}

void Trainer::share_state() {
  if (!group_.alone()) {
    const std::string text = group_.broadcast(to_json(state_).dump(), "state of the run");
    state_ = parse_run_state(text, "rank 0");
  }
  scaler_.load_state(state_.loss_scale);
  if (group_.alone() || state_.step == 0) {
    return;
  }
  share(group_, io::state_dict(*model_), "weights of the checkpoint");
  if (average_) {
    share(group_, io::state_dict(*average_), "averaged weights of the checkpoint");
  }
  const io::NamedTensors state = optimizer_->state();
  share(group_, state, "optimizer state of the checkpoint");
  optimizer_->load_state(state, "rank 0");
}

void Trainer::start_from_weights() {
  // Of a bare file only the tensors are looked at, so it need not be a whole network's.
  const Weights weights = load_weights(recipe_.init.checkpoint.value, recipe_.model);
  const io::NamedTensors tensors =
      named_for(recipe_.task, weights.ema.empty() ? weights.raw : weights.ema);
  const io::LoadReport report = io::load_state_dict(*model_, tensors);
  const std::string text =
      "init.checkpoint " + weights.source + ": " + report.summary() + "\n" + report.overview();
  report.complete() ? log_.info(text) : log_.warning(text);
  if (report.loaded.empty()) {
    throw Error(ErrorKind::checkpoint,
                weights.source + ": none of its tensors fits the model of this configuration");
  }
}

void Trainer::warn_of_slow_average() const {
  if (!recipe_.ema.enabled) {
    return;
  }
  const double left = std::pow(ema_decay(), static_cast<double>(length_.total_steps));
  if (left > 0.3) {
    log_.warning("ema.decay " + std::to_string(ema_decay()) + " over " +
                 std::to_string(length_.total_steps) + " steps leaves " + fixed(100 * left, 0) +
                 " % of the initial weights in the average: its results will lag; lower ema.decay");
  }
}

int64_t Trainer::global_batch() const {
  return recipe_.data.batch_size * recipe_.train.accumulate * group_.world();
}

double Trainer::peak_rate() const {
  const double per = recipe_.optimizer.lr_per_images;
  return recipe_.optimizer.lr * (per > 0 ? static_cast<double>(global_batch()) / per : 1.0);
}

double Trainer::ema_decay() const {
  const double per = recipe_.ema.decay_per_images;
  return per > 0 ? std::pow(recipe_.ema.decay, static_cast<double>(global_batch()) / per)
                 : recipe_.ema.decay;
}

}  // namespace nala::train
