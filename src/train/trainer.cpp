#include "train/trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "io/state_dict.h"
#include "models/describe.h"
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
    : recipe_(recipe),
      options_(options),
      log_(log),
      group_(*options_.group),
      scaler_(recipe.train.amp == Amp::fp16) {
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
  agree();
  warn_of_slow_average();
}

Trainer::~Trainer() = default;

void Trainer::resume(const std::optional<std::filesystem::path>& checkpoint) {
  if (group_.leads() && checkpoint) {
    restore(*checkpoint);
  }
  share_state();
  loader_started_ = false;
}

void Trainer::restore(const std::filesystem::path& checkpoint) {
  const Checkpoint saved = read_checkpoint(checkpoint);
  const std::string source = checkpoint.string();
  RunState state = parse_run_state(saved.state_json, source + "/state.json");
  const auto differences =
      recipe_differences(config::parse(saved.config_yaml, (checkpoint / "config.yaml").string()),
                         config::write(recipe_of(state.world)));
  if (!differences.empty()) {
    std::string message = checkpoint.string() + ": saved by another recipe, cannot resume:";
    for (const std::string& line : differences) {
      message += " [" + line + "]";
    }
    throw Error(ErrorKind::config, message + "; use another output folder or --resume never");
  }
  io::load_state_dict_strictly(*model_, saved.model, source + "/model.safetensors");
  if (average_) {
    io::load_state_dict_strictly(*average_, saved.ema, source + "/ema.safetensors");
  }
  optimizer_->load_state(saved.optimizer, source + "/optimizer.safetensors");
  state_ = std::move(state);
}

RunOutcome Trainer::run(const RunFolder& folder) {
  folder_ = folder;
  mend_links();
  if (state_.step >= length_.total_steps) {
    write_report(true);
    return RunOutcome::already_done;
  }
  if (group_.leads()) {
    write_file(folder.config(), config::to_yaml(config::write(recipe_)));
    metrics_ = std::make_unique<MetricsLog>(folder.metrics(), state_.metrics_bytes);
    events_ = std::make_unique<io::EventWriter>(folder.root, state_.step + 1);
  }
  progress_ =
      std::make_unique<Progress>("train", length_.total_steps, state_.step, options_.progress_bar);
  StopSignal stop_signal;
  interval_begin_ = std::chrono::steady_clock::now();
  while (state_.step < length_.total_steps) {
    train_step();
    log_if_due();
    evaluate_if_due();
    const bool last = state_.step == length_.total_steps;
    const bool stopping = stop_is_due() && !last;
    const int64_t every = recipe_.checkpoint.every_steps > 0 ? recipe_.checkpoint.every_steps
                                                             : length_.steps_per_epoch;
    if (last || stopping || improved_ || state_.step % every == 0) {
      save(folder.checkpoints(), improved_);
    }
    if (stopping) {
      // A launcher that sees one process leave stops the others: they may not leave before rank 0
      // has saved, nor be stopped after that.
      group_.barrier("saving before the stop");
      stop_signal.close();
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

double Trainer::accumulate_gradients(std::vector<data::Batch>& batches) {
  double sum = 0;
  uint32_t recomputed_stages = 0;
  for (const int64_t stage : recipe_.train.grad_checkpointing) {
    recomputed_stages |= uint32_t{1} << stage;
  }
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
                                         .positions = batch.positions,
                                         .recomputed_stages = recomputed_stages});
      loss = task_->loss(outputs, batch);
    }
    sum += loss.total.item<double>() / parts;
    const bool last = part + 1 == recipe_.train.accumulate;
    reducer_->backward(loss.total * (scaler_.scale() / parts), last);
  }
  return sum;
}

double Trainer::agreed_loss(double loss) {
  if (group_.alone()) {
    return loss;
  }
  const double asked = StopSignal::received() ? 1.0 : 0.0;
  const at::Tensor sums =
      at::tensor({loss, asked}, at::TensorOptions(at::kDouble)).to(options_.device);  // (2)
  group_.sum(sums, "agreement on step " + std::to_string(state_.step));
  const at::Tensor agreed = sums.cpu();  // (2)
  stop_agreed_ = agreed[1].item<double>() > 0;
  return agreed[0].item<double>() / static_cast<double>(group_.world());
}

bool Trainer::stop_is_due() const {
  return group_.alone() ? StopSignal::received() : stop_agreed_;
}

void Trainer::train_step() {
  model_->train();
  freezing_->hold();
  optimizer_->zero_grad();
  std::vector<data::Batch> batches;
  // Not finite where that of any rank is not: all of them stop, before the weights change.
  const double loss = agreed_loss(accumulate_gradients(batches));
  const bool finite = std::isfinite(loss);
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
  const RunState::Interval interval = std::exchange(state_.interval, {});
  if (!group_.leads()) {
    return;
  }
  const auto count = static_cast<double>(interval.steps);
  const double rate = learning_rate(recipe_.schedule, peak_rate(), length_, state_.step - 1);
  const double loss = interval.loss / count;
  const double norm = interval.gradient_norm / count;
  metrics_->append({{"kind", "train"},
                    {"step", state_.step},
                    {"epoch", (state_.step - 1) / length_.steps_per_epoch},
                    {"loss", loss},
                    {"lr", rate},
                    {"grad_norm", norm}});
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - interval_begin_).count();
  const double speed = count * static_cast<double>(global_batch()) / std::max(seconds, 1e-9);
  events_->add(state_.step, {{"train/loss", loss},
                             {"train/lr", rate},
                             {"train/grad_norm", norm},
                             {"train/images_per_second", speed}});
  progress_->clear();
  log_.info("step " + std::to_string(state_.step) + "/" + std::to_string(length_.total_steps) +
            "  epoch " + std::to_string((state_.step - 1) / length_.steps_per_epoch) + "  loss " +
            fixed(loss, 4) + "  lr " + short_number(rate) + "  grad norm " + short_number(norm) +
            "  " + fixed(speed, 1) + " pictures/s  waited " +
            fixed(train_loader_->seconds_waited(), 1) + " s for data");
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
  if (!recipe_.distributed.sync_batch_norm) {
    group_.broadcast(model.buffers(), "statistics of rank 0");  // each rank has its own
  }
  Progress bar("evaluate " + std::string(weights), val_set_->size(), 0, options_.progress_bar);
  const at::Tensor tally = task_->tally(model, *val_loader_, options_.device,
                                        [&](int64_t images) { bar.update(images); });
  bar.clear();
  group_.sum(tally, "sums of the evaluation");
  const ordered_json metrics = task_->metrics(tally);
  ordered_json line{{"kind", "eval"},
                    {"step", state_.step},
                    {"epoch", (state_.step - 1) / length_.steps_per_epoch},
                    {"weights", weights}};
  line.update(metrics);
  std::string text = "evaluation, " + std::string(weights) + " weights:";
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : metrics.items()) {
    if (value.is_number_float()) {
      scalars.emplace_back("eval_" + std::string(weights) + "/" + key, value.get<double>());
    }
    if (!value.is_structured()) {
      text += " " + key + " " +
              (value.is_number_float() ? fixed(value.get<double>(), 3) : value.dump());
    }
  }
  const double value = metrics.at(std::string(task_->best_metric())).get<double>();
  if (state_.best.step < 0 || value > state_.best.value) {
    state_.best = {
        .metric = std::string(task_->best_metric()), .value = value, .step = state_.step};
    improved_ = true;
    text += "  (best so far)";
  }
  if (group_.leads()) {
    metrics_->append(line);
    events_->add(state_.step, scalars);
  }
  progress_->clear();
  log_.info(text);
}

void Trainer::save(const std::filesystem::path& root, bool is_best) {
  if (!group_.leads()) {
    return;
  }
  state_.world = group_.world();
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
  if (!group_.leads() || !std::filesystem::is_directory(root / name)) {
    return;
  }
  replace_link(name, root / "latest");
  if (state_.best.step == state_.step) {
    replace_link(name, root / "best");
  }
  remove_old_checkpoints(root, state_.step, recipe_.checkpoint.keep);
}

void Trainer::write_report(bool finished) {
  if (!group_.leads()) {
    return;
  }
  models::Model& model = average_ ? *average_ : *model_;
  model.eval();
  report::Page page{
      .title = folder_->root.filename().string(),
      .config_yaml = config::to_yaml(config::write(recipe_)),
      .facts = {{"model", models::title_of(models::resolve(recipe_.model), recipe_.task)},
                {"training pictures", std::to_string(train_set_->size())},
                {"validation pictures", std::to_string(val_set_->size())},
                {"steps",
                 std::to_string(state_.step) + " of " + std::to_string(length_.total_steps)},
                {"device", options_.device.str()},
                {"processes", std::to_string(group_.world())},
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
