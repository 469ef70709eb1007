// The message of a run that met a loss or gradient that is not finite.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/loader.h"
#include "models/model.h"
#include "train/task.h"

namespace nala::train {

/// The step that failed, with the weights still as they were before it.
struct FailedStep {
  int64_t step = 0;
  uint64_t seed = 0;
  double loss = 0;
  double gradient_norm = 0;
  const std::vector<data::Batch>& batches;
};

/// Throws Error(numeric) naming the samples whose own loss is not finite, found by one more
/// forward; all samples of the step where every single loss is finite.
[[noreturn]] void stop_on_non_finite(const FailedStep& failed,
                                     models::Model& model,
                                     const Task& task,
                                     const data::Dataset& dataset);

}  // namespace nala::train
