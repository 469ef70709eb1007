// Runs a set through a function and gathers metrics; knows no model.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "data/loader.h"
#include "eval/metrics/accuracy.h"

namespace nala::eval {

/// Images (B, 3, H, W) -> logits (B, K).
using Forward = std::function<at::Tensor(const at::Tensor&)>;
/// Called after every batch with the pictures done so far.
using OnProgress = std::function<void(int64_t images)>;

/// Called with every batch and its logits (B, K).
using OnLogits = std::function<void(const data::Batch& batch, const at::Tensor& logits)>;

/// The metrics of one pass over the loader's set, which is started at its beginning; gradients off.
Accuracy evaluate_classification(const Forward& forward,
                                 data::Loader& loader,
                                 at::Device device,
                                 const OnProgress& on_progress = {},
                                 const OnLogits& on_logits = {});

}  // namespace nala::eval
