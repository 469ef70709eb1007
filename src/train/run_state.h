// What a run remembers beside its tensors: state.json of a checkpoint.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "train/amp.h"

namespace nala::train {

struct RunState {
  /// Sums since the last line of metrics.jsonl, saved so that a resumed run writes the same line.
  struct Interval {
    double loss = 0;
    double gradient_norm = 0;
    int64_t steps = 0;
  };
  struct Best {
    std::string metric;
    double value = 0;
    int64_t step = -1;  ///< -1: nothing evaluated yet
  };

  int64_t step = 0;  ///< optimizer steps done
  Interval interval;
  Best best;
  LossScaler::State loss_scale;
  int64_t metrics_bytes = 0;  ///< length of metrics.jsonl
  int64_t world = 1;          ///< processes of the run that saved it
};

nlohmann::ordered_json to_json(const RunState& state);

/// Throws Error(checkpoint) naming `source` when the text is not a state of this format.
RunState parse_run_state(const std::string& text, const std::string& source);

}  // namespace nala::train
