#include "train/trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "io/state_dict.h"
#include "report/page.h"
#include "train/checkpoint.h"
#include "train/non_finite.h"
#include "train/stop_signal.h"
#include "train/tasks/distill.h"

namespace nala::train {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kReportSamples = 24;

io::NamedTensors copied_to_cpu(const torch::nn::Module& module) {
  io::NamedTensors tensors = io::state_dict(module);
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.detach().to(at::kCPU);
  }
  return tensors;
}

// The global L2 norm.
double norm_of(const std::vector<at::Tensor>& gradients) {
  const at::NoGradGuard no_grad;
  if (gradients.empty()) {
    return 0;
  }
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2, at::kDouble)))
      .item<double>();
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, const TrainerOptions& options, Log& log)
    : recipe_(recipe), options_(options), log_(log), scaler_(recipe.train.amp == Amp::fp16) {
  if (recipe_.train.amp == Amp::fp16 && !options_.device.is_cuda()) {
    throw Error(ErrorKind::config, "train.amp: fp16 needs a CUDA device; use bf16 or none");
  }
  at::globalContext().setDeterministicAlgorithms(recipe_.train.deterministic, false);
  build_data();
  task_ = build_task(recipe_, val_set_);
  if (!recipe_.distill.teacher.value.empty()) {
    task_ = std::make_unique<DistillTask>(
        std::move(task_), load_teacher(recipe_.distill.teacher.value, options_.device),
        recipe_.distill);
  }
  build_network();
  warn_of_slow_average();
}

Trainer::~Trainer() = default;

void Trainer::resume(const std::filesystem::path& checkpoint) {
  const Checkpoint saved = read_checkpoint(checkpoint);
  const auto differences =
      recipe_differences(config::parse(saved.config_yaml, (checkpoint / "config.yaml").string()),
                         config::write(recipe_));
  if (!differences.empty()) {
    std::string message = checkpoint.string() + ": saved by another recipe, cannot resume:";
    for (const std::string& line : differences) {
      message += " [" + line + "]";
    }
    throw Error(ErrorKind::config, message + "; use another output folder or --resume never");
  }
  const std::string source = checkpoint.string();
  RunState state = parse_run_state(saved.state_json, source + "/state.json");
  io::load_state_dict_strictly(*model_, saved.model, source + "/model.safetensors");
  if (average_) {
    io::load_state_dict_strictly(*average_, saved.ema, source + "/ema.safetensors");
  }
  optimizer_->load_state(saved.optimizer, source + "/optimizer.safetensors");
  scaler_.load_state(state.loss_scale);
  state_ = std::move(state);
  loader_started_ = false;
}

RunOutcome Trainer::run(const RunFolder& folder) {
  folder_ = folder;
  mend_links();
  if (state_.step >= length_.total_steps) {
    write_report(true);
    return RunOutcome::already_done;
  }
  write_file(folder.config(), config::to_yaml(config::write(recipe_)));
  metrics_ = std::make_unique<MetricsLog>(folder.metrics(), state_.metrics_bytes);
  events_ = std::make_unique<io::EventWriter>(folder.root, state_.step + 1);
  progress_ =
      std::make_unique<Progress>("train", length_.total_steps, state_.step, options_.progress_bar);
  const StopSignal stop_signal;
  interval_begin_ = std::chrono::steady_clock::now();
  while (state_.step < length_.total_steps) {
    train_step();
    log_if_due();
    evaluate_if_due();
    const bool last = state_.step == length_.total_steps;
    const bool stopping = StopSignal::received() && !last;
    const int64_t every = recipe_.checkpoint.every_steps > 0 ? recipe_.checkpoint.every_steps
                                                             : length_.steps_per_epoch;
    if (last || stopping || improved_ || state_.step % every == 0) {
      save(folder.checkpoints(), improved_);
    }
    if (stopping) {
      log_.warning("stopped by a signal; saved step " + std::to_string(state_.step) +
                   "; run the same command to go on");
      return RunOutcome::stopped;
    }
  }
  progress_->clear();
  write_report(true);
  return RunOutcome::finished;
}

std::string Trainer::dry_run() {
  const int64_t parameters = [&] {
    int64_t count = 0;
    for (const at::Tensor& parameter : model_->parameters()) {
      count += parameter.numel();
    }
    return count;
  }();
  const size_t classes = train_set_->classes().size();
  train_step();
  return std::to_string(parameters) + " parameters, " + std::to_string(train_set_->size()) +
         " training and " + std::to_string(val_set_->size()) + " validation pictures" +
         (classes == 0 ? "" : " of " + std::to_string(classes) + " classes") + ", " +
         std::to_string(length_.total_steps) + " steps of " + std::to_string(global_batch()) +
         " pictures; one step done, loss " + short_number(state_.interval.loss) +
         "; nothing written";
}

data::Batch Trainer::next_batch() {
  if (!loader_started_) {
    const int64_t in_epoch = state_.step % length_.steps_per_epoch;
    train_loader_->start(epoch(), in_epoch * recipe_.train.accumulate);
    loader_started_ = true;
  }
  auto batch = train_loader_->next();
  if (!batch) {
    throw Error(ErrorKind::data, "the training set ended within an epoch");
  }
  return std::move(*batch);
}

double Trainer::accumulate_gradients(std::vector<data::Batch>& batches, bool& finite) {
  double sum = 0;
  const auto parts = static_cast<double>(recipe_.train.accumulate);
  for (int64_t part = 0; part < recipe_.train.accumulate; ++part) {
    data::Batch& batch = batches.emplace_back(next_batch());
    batch.images = batch.images.to(options_.device);
    batch.labels = batch.labels.to(options_.device);
    if (batch.targets.defined()) {
      batch.targets = batch.targets.to(options_.device);
    }
    if (batch.other_labels.defined()) {
      batch.other_labels = batch.other_labels.to(options_.device);
      batch.label_weights = batch.label_weights.to(options_.device);
    }
    StepLoss loss;
    {
      const AutocastScope autocast(recipe_.train.amp, options_.device.type());
      const models::Outputs outputs =
          model_->forward(batch.images, {.seed = static_cast<uint64_t>(recipe_.seed),
                                         .step = static_cast<uint64_t>(state_.step),
                                         .positions = batch.positions});
      loss = task_->loss(outputs, batch);
    }
    const double value = loss.total.item<double>();
    sum += value / parts;
    if (!std::isfinite(value)) {
      finite = false;
      return sum;
    }
    (loss.total * (scaler_.scale() / parts)).backward();
  }
  return sum;
}

void Trainer::train_step() {
  model_->train();
  freezing_->hold();
  optimizer_->zero_grad();
  std::vector<data::Batch> batches;
  bool finite = true;
  const double loss = accumulate_gradients(batches, finite);
  const std::vector<at::Tensor> gradients = optimizer_->gradients();
  scaler_.unscale(gradients);
  const double norm = finite ? norm_of(gradients) : 0.0;
  if (!finite || (!std::isfinite(norm) && !scaler_.enabled())) {
    stop_on_non_finite({.step = state_.step,
                        .seed = static_cast<uint64_t>(recipe_.seed),
                        .loss = loss,
                        .gradient_norm = norm,
                        .batches = batches},
                       *model_, *task_, *train_set_);
  }
  if (scaler_.update(std::isfinite(norm))) {
    if (recipe_.train.clip_norm > 0 && norm > recipe_.train.clip_norm) {
      const at::NoGradGuard no_grad;
      at::_foreach_mul_(gradients, recipe_.train.clip_norm / (norm + 1e-6));
    }
    optimizer_->step(learning_rate(recipe_.schedule, peak_rate(), length_, state_.step));
  }
  if (average_) {
    update_ema(*average_, *model_, ema_decay());
  }
  state_.interval.loss += loss;
  state_.interval.gradient_norm += norm;
  ++state_.interval.steps;
  ++state_.step;
  if (state_.step % length_.steps_per_epoch == 0) {
    loader_started_ = false;
  }
  if (progress_) {
    progress_->update(state_.step, "loss " + fixed(loss, 4));
  }
}

void Trainer::log_if_due() {
  if (state_.step % recipe_.train.log_every != 0 && state_.step != length_.total_steps) {
    return;
  }
  const auto count = static_cast<double>(state_.interval.steps);
  const double rate = learning_rate(recipe_.schedule, peak_rate(), length_, state_.step - 1);
  const double loss = state_.interval.loss / count;
  metrics_->append({{"kind", "train"},
                    {"step", state_.step},
                    {"epoch", (state_.step - 1) / length_.steps_per_epoch},
                    {"loss", loss},
                    {"lr", rate},
                    {"grad_norm", state_.interval.gradient_norm / count}});
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - interval_begin_).count();
  const double speed = count * static_cast<double>(global_batch()) / std::max(seconds, 1e-9);
  events_->add(state_.step, {{"train/loss", loss},
                             {"train/lr", rate},
                             {"train/grad_norm", state_.interval.gradient_norm / count},
                             {"train/images_per_second", speed}});
  progress_->clear();
  log_.info("step " + std::to_string(state_.step) + "/" + std::to_string(length_.total_steps) +
            "  epoch " + std::to_string((state_.step - 1) / length_.steps_per_epoch) + "  loss " +
            fixed(loss, 4) + "  lr " + short_number(rate) + "  grad norm " +
            short_number(state_.interval.gradient_norm / count) + "  " + fixed(speed, 1) +
            " pictures/s  waited " + fixed(train_loader_->seconds_waited(), 1) + " s for data");
  state_.interval = {};
  interval_begin_ = now;
}

bool Trainer::evaluation_is_due() const {
  if (state_.step == length_.total_steps) {
    return true;
  }
  int64_t every = recipe_.train.eval_every_steps;
  if (every == 0 && recipe_.train.eval_every_epochs > 0) {
    every = std::max<int64_t>(1, std::llround(recipe_.train.eval_every_epochs *
                                              static_cast<double>(length_.steps_per_epoch)));
  }
  return every > 0 && state_.step % every == 0;
}

void Trainer::evaluate_if_due() {
  improved_ = false;
  if (!evaluation_is_due()) {
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  evaluate(*model_, "raw");
  if (average_) {
    evaluate(*average_, "ema");
  }
  if (state_.step != length_.total_steps) {
    write_report(false);
  }
  // The time spent here is not the training's.
  interval_begin_ += std::chrono::steady_clock::now() - begin;
}

void Trainer::evaluate(models::Model& model, std::string_view weights) {
  model.eval();
  Progress bar("evaluate " + std::string(weights), val_set_->size(), 0, options_.progress_bar);
  const at::Tensor tally = task_->tally(model, *val_loader_, options_.device,
                                        [&](int64_t images) { bar.update(images); });
  bar.clear();
  const ordered_json metrics = task_->metrics(tally);
  ordered_json line{{"kind", "eval"},
                    {"step", state_.step},
                    {"epoch", (state_.step - 1) / length_.steps_per_epoch},
                    {"weights", weights}};
  line.update(metrics);
  metrics_->append(line);
  std::string text = "evaluation, " + std::string(weights) + " weights:";
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : metrics.items()) {
    if (value.is_number_float()) {
      scalars.emplace_back("eval_" + std::string(weights) + "/" + key, value.get<double>());
    }
    text +=
        " " + key + " " + (value.is_number_float() ? fixed(value.get<double>(), 3) : value.dump());
  }
  events_->add(state_.step, scalars);
  const double value = metrics.at(std::string(task_->best_metric())).get<double>();
  if (state_.best.step < 0 || value > state_.best.value) {
    state_.best = {
        .metric = std::string(task_->best_metric()), .value = value, .step = state_.step};
    improved_ = true;
    text += "  (best so far)";
  }
  progress_->clear();
  log_.info(text);
}

void Trainer::save(const std::filesystem::path& root, bool is_best) {
  state_.loss_scale = scaler_.state();
  state_.metrics_bytes = metrics_->bytes();
  io::NamedTensors optimizer = optimizer_->state();
  for (auto& [name, tensor] : optimizer) {
    tensor = tensor.to(at::kCPU);
  }
  const Checkpoint checkpoint{.config_yaml = config::to_yaml(config::write(recipe_)),
                              .classes = train_set_->classes(),
                              .model = copied_to_cpu(*model_),
                              .ema = average_ ? copied_to_cpu(*average_) : io::NamedTensors{},
                              .optimizer = std::move(optimizer),
                              .state_json = to_json(state_).dump(2) + "\n"};
  const std::filesystem::path folder = write_checkpoint(root, state_.step, checkpoint);
  if (is_best) {
    replace_link(folder.filename(), root / "best");
  }
  remove_old_checkpoints(root, state_.step, recipe_.checkpoint.keep);
}

void Trainer::mend_links() const {
  const std::filesystem::path root = folder_->checkpoints();
  const std::string name = checkpoint_name(state_.step);
  if (!std::filesystem::is_directory(root / name)) {
    return;
  }
  replace_link(name, root / "latest");
  if (state_.best.step == state_.step) {
    replace_link(name, root / "best");
  }
  remove_old_checkpoints(root, state_.step, recipe_.checkpoint.keep);
}

void Trainer::write_report(bool finished) {
  models::Model& model = average_ ? *average_ : *model_;
  model.eval();
  report::Page page{.title = folder_->root.filename().string(),
                    .config_yaml = config::to_yaml(config::write(recipe_)),
                    .facts = {{"model", models::resolve(recipe_.model).name},
                              {"training pictures", std::to_string(train_set_->size())},
                              {"validation pictures", std::to_string(val_set_->size())},
                              {"steps", std::to_string(state_.step) + " of " +
                                            std::to_string(length_.total_steps)},
                              {"device", options_.device.str()},
                              {"version", options_.version}},
                    .finished = finished};
  if (!train_set_->classes().empty()) {
    page.facts.emplace_back("classes", std::to_string(train_set_->classes().size()));
  }
  if (state_.best.step >= 0) {
    page.facts.emplace_back(
        "best " + std::string(task_->best_metric()),
        fixed(state_.best.value, 2) + " at step " + std::to_string(state_.best.step));
  }
  page.metrics = read_metrics(folder_->metrics());
  page.samples = task_->samples(model, *val_set_, recipe_.data, options_.device, kReportSamples);
  write_file(folder_->report(), report::render(page));
}

}  // namespace nala::train
