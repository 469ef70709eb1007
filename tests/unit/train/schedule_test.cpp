#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nala::train {
namespace {

// timm's numbers for base 1e-3, 5 warm-up epochs, 300 epochs (protocols: learning rate and
// schedule).
TEST(Schedule, CosineIsTimms) {
  const ScheduleConfig schedule{.lag_one_epoch = false};
  const RunLength run{.total_steps = 3000, .steps_per_epoch = 10};
  const auto rate = [&](int64_t epoch) { return learning_rate(schedule, 1e-3, run, epoch * 10); };
  EXPECT_NEAR(rate(0), 1e-6, 1e-15);
  EXPECT_NEAR(rate(1), 2.008e-4, 1e-15);
  EXPECT_NEAR(rate(4), 8.002e-4, 1e-15);
  EXPECT_NEAR(rate(5), 9.9932e-4, 1e-8);
  EXPECT_NEAR(rate(299), 1.00271e-5, 1e-10);
  EXPECT_DOUBLE_EQ(rate(300), 1e-5);
  // Constant within an epoch.
  EXPECT_EQ(learning_rate(schedule, 1e-3, run, 59), rate(5));
}

TEST(Schedule, LagRunsOneEpochBehind) {
  const ScheduleConfig plain{.lag_one_epoch = false};
  const ScheduleConfig lagging{.lag_one_epoch = true};
  const RunLength run{.total_steps = 900, .steps_per_epoch = 3};
  EXPECT_EQ(learning_rate(lagging, 1e-3, run, 0), learning_rate(plain, 1e-3, run, 0));
  for (int64_t step = 3; step < 900; step += 7) {
    EXPECT_EQ(learning_rate(lagging, 1e-3, run, step), learning_rate(plain, 1e-3, run, step - 3));
  }
}

TEST(Schedule, PerStepMovesEveryStep) {
  const ScheduleConfig schedule{.warmup_epochs = 1, .per_step = true, .lag_one_epoch = false};
  const RunLength run{.total_steps = 100, .steps_per_epoch = 10};
  EXPECT_NEAR(learning_rate(schedule, 1e-3, run, 5), 1e-6 + 0.5 * (1e-3 - 1e-6), 1e-15);
  EXPECT_NEAR(learning_rate(schedule, 1e-3, run, 50), 1e-5 + 0.5 * (1e-3 - 1e-5), 1e-15);
}

TEST(Schedule, PolyRunsFromTheWarmUpToTheEnd) {
  const ScheduleConfig schedule{.name = ScheduleName::poly,
                                .warmup_epochs = 2,
                                .min_lr = 0,
                                .per_step = true,
                                .lag_one_epoch = false,
                                .power = 0.9};
  const RunLength run{.total_steps = 100, .steps_per_epoch = 10};
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 20), 2.0, 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 60), 2.0 * std::pow(0.5, 0.9), 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 100), 0.0, 1e-12);
}

// mmcv 0.x: poly from the first step, times 1 - (1 - t / W) (1 - ratio).
TEST(Schedule, WarmUpMayScalePoly) {
  const ScheduleConfig schedule{.name = ScheduleName::poly,
                                .warmup_steps = 20,
                                .warmup_lr = 2e-6,
                                .min_lr = 0,
                                .per_step = true,
                                .lag_one_epoch = false,
                                .power = 1,
                                .warmup_times_poly = true};
  const RunLength run{.total_steps = 100, .steps_per_epoch = 10};
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 0), 2e-6, 1e-15);
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 5), 2.0 * 0.95 * (1 - 0.75 * (1 - 1e-6)), 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 20), 1.6, 1e-12);
  EXPECT_NEAR(learning_rate(schedule, 2.0, run, 75), 0.5, 1e-12);
}

TEST(Schedule, MultistepHalvesAtItsMilestones) {
  const ScheduleConfig schedule{.name = ScheduleName::multistep,
                                .warmup_epochs = 0,
                                .per_step = true,
                                .lag_one_epoch = false,
                                .milestones = {0.5, 0.8}};
  const RunLength run{.total_steps = 100, .steps_per_epoch = 10};
  EXPECT_EQ(learning_rate(schedule, 1.0, run, 49), 1.0);
  EXPECT_EQ(learning_rate(schedule, 1.0, run, 50), 0.5);
  EXPECT_EQ(learning_rate(schedule, 1.0, run, 99), 0.25);
}

}  // namespace
}  // namespace nala::train
