#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace nala::train {
namespace {

// Time in epochs.
double time_of(const ScheduleConfig& schedule, const RunLength& run, int64_t step) {
  double t = schedule.per_step
                 ? static_cast<double>(step) / static_cast<double>(run.steps_per_epoch)
                 : static_cast<double>(step / run.steps_per_epoch);
  if (schedule.lag_one_epoch) {
    t = std::max(0.0, t - 1.0);
  }
  return t;
}

// After a share `done` of its course.
double poly(const ScheduleConfig& schedule, double base, double done) {
  const double left = std::clamp(1.0 - done, 0.0, 1.0);
  return schedule.min_lr + (base - schedule.min_lr) * std::pow(left, schedule.power);
}

// Times in epochs.
struct Course {
  double now = 0, warmup = 0, total = 0;
};

double scaled_poly(const ScheduleConfig& schedule, double base, const Course& course) {
  const double rate = poly(schedule, base, course.now / course.total);
  if (course.now >= course.warmup) {
    return rate;
  }
  const double first = base > 0 ? schedule.warmup_lr / base : 0;
  return rate * (first + (1.0 - first) * course.now / course.warmup);
}

}  // namespace

double learning_rate(const ScheduleConfig& schedule,
                     double base,
                     const RunLength& run,
                     int64_t step) {
  const double t = time_of(schedule, run, step);
  const auto steps_per_epoch = static_cast<double>(run.steps_per_epoch);
  const double warmup = schedule.warmup_steps > 0
                            ? static_cast<double>(schedule.warmup_steps) / steps_per_epoch
                            : schedule.warmup_epochs;
  const double total = static_cast<double>(run.total_steps) / steps_per_epoch;
  if (schedule.name == ScheduleName::poly && schedule.warmup_times_poly) {
    return scaled_poly(schedule, base, {.now = t, .warmup = warmup, .total = total});
  }
  if (t < warmup) {
    return schedule.warmup_lr + t * (base - schedule.warmup_lr) / warmup;
  }
  switch (schedule.name) {
    case ScheduleName::cosine:
      if (t >= total) {
        return schedule.min_lr;
      }
      return schedule.min_lr +
             0.5 * (base - schedule.min_lr) * (1.0 + std::cos(std::numbers::pi * t / total));
    case ScheduleName::poly:
      return poly(schedule, base, (t - warmup) / std::max(total - warmup, 1e-12));
    case ScheduleName::multistep: {
      const auto passed = std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                        [&](double fraction) { return t >= fraction * total; });
      return base * std::pow(schedule.gamma, static_cast<double>(passed));
    }
    case ScheduleName::constant:
      break;
  }
  return base;
}

}  // namespace nala::train
