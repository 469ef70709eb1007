// What a Trainer is built from: data, network, and the numbers that follow from both.

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/number_text.h"
#include "io/state_dict.h"
#include "train/param_groups.h"
#include "train/trainer.h"
#include "train/weights.h"

namespace nala::train {

void Trainer::build_data() {
  train_set_ = data::build_dataset(recipe_.data, data::Split::train);
  val_set_ = data::build_dataset(recipe_.data, data::Split::val);
  const auto seed = static_cast<uint64_t>(recipe_.seed);
  train_loader_ = std::make_unique<data::Loader>(
      train_set_, recipe_.data, data::LoaderOptions{.split = data::Split::train, .seed = seed});
  val_loader_ = std::make_unique<data::Loader>(
      val_set_, recipe_.data, data::LoaderOptions{.split = data::Split::val, .seed = seed});
  length_.steps_per_epoch = train_loader_->batches_per_epoch() / recipe_.train.accumulate;
  if (length_.steps_per_epoch < 1) {
    throw Error(ErrorKind::config, "data.batch_size: " + std::to_string(recipe_.data.batch_size) +
                                       " x accumulate " + std::to_string(recipe_.train.accumulate) +
                                       " is more than the " + std::to_string(train_set_->size()) +
                                       " training pictures");
  }
  length_.total_steps =
      recipe_.train.max_steps > 0
          ? recipe_.train.max_steps
          : std::max<int64_t>(1, std::llround(recipe_.train.epochs *
                                              static_cast<double>(length_.steps_per_epoch)));
  const auto classes = static_cast<int64_t>(train_set_->classes().size());
  if (recipe_.model.num_classes == 0) {
    recipe_.model.num_classes = classes;
  } else if (recipe_.model.num_classes < classes) {
    throw Error(ErrorKind::config,
                "model.num_classes: " + std::to_string(recipe_.model.num_classes) +
                    ", but the data has " + std::to_string(classes) + " classes");
  }
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
  optimizer_ = std::make_unique<Optimizer>(
      recipe_.optimizer,
      parameter_groups(*model_, recipe_.optimizer.weight_decay, recipe_.optimizer.layer_decay));
}

void Trainer::start_from_weights() {
  const Weights weights = load_weights(recipe_.init.checkpoint.value);
  const io::NamedTensors& tensors = weights.ema.empty() ? weights.raw : weights.ema;
  const io::LoadReport report = io::load_state_dict(*model_, tensors);
  log_.info("init.checkpoint " + weights.source + ": " + report.summary());
  if (!report.complete()) {
    log_.warning("init.checkpoint differs from the model:\n" + report.differences());
  }
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
  return recipe_.data.batch_size * recipe_.train.accumulate;
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
