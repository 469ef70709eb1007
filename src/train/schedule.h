// The learning rate of a step.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace nala::train {

enum class ScheduleName { cosine, poly, multistep, constant };
constexpr std::array<std::string_view, 4> kScheduleNames{"cosine", "poly", "multistep", "constant"};
constexpr std::span<const std::string_view> names_of(ScheduleName) {
  return kScheduleNames;
}

struct ScheduleConfig {
  ScheduleName name = ScheduleName::cosine;
  double warmup_epochs = 5;
  int64_t warmup_steps = 0;
  double warmup_lr = 1e-6;
  double min_lr = 1e-5;
  bool per_step = false;
  bool lag_one_epoch = true;
  double power = 0.9;
  bool warmup_times_poly = false;
  std::vector<double> milestones;
  double gamma = 0.5;

  template <class V>
  static void fields(ScheduleConfig& c, V&& v) {
    v("name", c.name, "how the rate falls after the warm-up");
    v("warmup_epochs", c.warmup_epochs,
      "length of the linear warm-up, in epochs (fractions allowed)", config::at_least(0));
    v("warmup_steps", c.warmup_steps,
      "the same in optimizer steps, wanted with per_step; 0: as warmup_epochs says",
      config::at_least(0));
    v("warmup_lr", c.warmup_lr, "rate at the start of the warm-up", config::at_least(0));
    v("min_lr", c.min_lr, "rate at the end (cosine, poly)", config::at_least(0));
    v("per_step", c.per_step, "move every step; false: constant within an epoch");
    v("lag_one_epoch", c.lag_one_epoch,
      "run one epoch behind, epochs 0 and 1 alike, as the authors' released script does");
    v("power", c.power, "exponent of poly", config::above(0));
    v("warmup_times_poly", c.warmup_times_poly,
      "poly falls from the first step on and the warm-up scales it (mmcv 0.x); false: poly begins "
      "where the warm-up ends (mmcv 1.x)");
    v("milestones", c.milestones, "multistep: where the rate drops, as fractions of the run",
      config::between(0, 1));
    v("gamma", c.gamma, "multistep: factor of each drop", config::between(0, 1));
  }
};

/// The length of a run.
struct RunLength {
  int64_t total_steps = 1;      ///< optimizer steps of the whole run
  int64_t steps_per_epoch = 1;  ///< optimizer steps of one epoch
};

/// Learning rate of optimizer step `step` (from 0), for a peak rate `base`.
///
/// cosine: timm's cosine_lr without warm-up prefix, t not shifted by the warm-up, min_lr from t = T
/// on; with per_step false and lag_one_epoch true, the authors' schedule as it really runs
/// (t = max(0, epoch - 1)). poly: mmcv 1.x, running from the end of the warm-up to the end of the
/// run; with warmup_times_poly mmcv 0.x, running from the first step, times a factor that rises
/// linearly from warmup_lr / base to 1 during the warm-up.
double learning_rate(const ScheduleConfig& schedule,
                     double base,
                     const RunLength& run,
                     int64_t step);

}  // namespace nala::train
