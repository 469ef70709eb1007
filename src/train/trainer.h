// The training loop.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/log.h"
#include "core/progress.h"
#include "io/events.h"
#include "models/model.h"
#include "train/amp.h"
#include "train/distributed/gradient_reducer.h"
#include "train/distributed/group.h"
#include "train/freezing.h"
#include "train/metrics_log.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/schedule.h"
#include "train/task.h"

namespace nala::train {

/// What a run needs beside its recipe.
struct TrainerOptions {
  at::Device device = at::kCPU;
  bool progress_bar = false;
  std::string version;  ///< of the program, for the report
  std::shared_ptr<const Group> group = std::make_shared<Group>();  ///< the processes of the run
};

enum class RunOutcome {
  finished,
  already_done,  ///< the folder's newest checkpoint is the last step's
  stopped,       ///< saved after SIGTERM or SIGUSR1
};

/// Trains one recipe, a step at a time: fetch, forward, backward, check, step, average, log,
/// evaluate, save.
///
/// With several processes every one of them makes the same calls on a Trainer of its own; rank 0
/// alone writes files. The data of a step are those of one process with their batches joined.
///
/// On one machine with a fixed number of threads the weights, the averages, the optimizer's state
/// and metrics.jsonl are a pure function of the recipe, interrupted or not. Not thread-safe.
class Trainer {
 public:
  /// Builds everything; nothing is written. Throws Error(config | data | checkpoint), and where
  /// this process's configuration, data or network is not rank 0's.
  Trainer(const Recipe& recipe, const TrainerOptions& options, Log& log);
  ~Trainer();

  /// Puts back a checkpoint folder's state, `metrics.jsonl` length included; rank 0 reads it and
  /// tells the others, whose argument is not looked at. Nothing: a run from the start. The number
  /// of processes may have changed if the global batch has not. Throws Error(checkpoint), or
  /// Error(config) listing the keys in which its recipe differs.
  void resume(const std::optional<std::filesystem::path>& checkpoint);

  /// Trains to the end in `folder`, which the caller holds the lock of on rank 0.
  RunOutcome run(const RunFolder& folder);

  /// One optimizer step, nothing written; a line that says what would be trained.
  std::string dry_run();

 private:
  void build_data();
  void build_network();
  void start_from_weights();
  void warn_of_slow_average() const;
  // Compares what the processes are about to do, and gives all of them rank 0's weights.
  void agree();
  void restore(const std::filesystem::path& checkpoint);
  // The recipe as `world` processes of the same global batch state it.
  [[nodiscard]] Recipe recipe_of(int64_t world) const;
  void share_state();

  [[nodiscard]] int64_t global_batch() const;
  [[nodiscard]] double peak_rate() const;
  [[nodiscard]] double ema_decay() const;
  [[nodiscard]] int64_t epoch() const { return state_.step / length_.steps_per_epoch; }

  void train_step();
  double accumulate_gradients(std::vector<data::Batch>& batches);
  // The mean of the ranks' losses; notes whether a rank was asked to stop.
  double agreed_loss(double loss);
  data::Batch next_batch();
  void log_if_due();
  void evaluate_if_due();
  void evaluate(models::Model& model, std::string_view weights);
  void save(const std::filesystem::path& root, bool is_best);
  // What a kill between a checkpoint's rename and the steps behind it left undone.
  void mend_links() const;
  void write_report(bool finished);
  [[nodiscard]] bool stop_is_due() const;
  [[nodiscard]] bool evaluation_is_due() const;

  Recipe recipe_;
  TrainerOptions options_;
  Log& log_;
  const Group& group_;  // of the options

  std::shared_ptr<const data::Dataset> train_set_;
  std::shared_ptr<const data::Dataset> val_set_;
  std::unique_ptr<data::Loader> train_loader_;
  std::unique_ptr<data::Loader> val_loader_;
  std::shared_ptr<models::Model> model_;
  std::shared_ptr<models::Model> average_;  // null without EMA
  std::unique_ptr<Task> task_;
  std::unique_ptr<Freezing> freezing_;
  std::unique_ptr<GradientReducer> reducer_;
  std::unique_ptr<Optimizer> optimizer_;
  LossScaler scaler_;
  RunLength length_;

  RunState state_;
  bool loader_started_ = false;
  bool improved_ = false;     // by the evaluation of this step
  bool stop_agreed_ = false;  // all ranks know that one was asked to stop

  std::optional<RunFolder> folder_;
  std::unique_ptr<MetricsLog> metrics_;
  std::unique_ptr<io::EventWriter> events_;
  std::unique_ptr<Progress> progress_;
  std::chrono::steady_clock::time_point interval_begin_;
};

}  // namespace nala::train
