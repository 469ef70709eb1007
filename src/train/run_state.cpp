#include "train/run_state.h"

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace nala::train {

nlohmann::ordered_json to_json(const RunState& state) {
  return {{"step", state.step},
          {"best",
           {{"metric", state.best.metric}, {"value", state.best.value}, {"step", state.best.step}}},
          {"interval",
           {{"loss", state.interval.loss},
            {"gradient_norm", state.interval.gradient_norm},
            {"steps", state.interval.steps}}},
          {"loss_scale",
           {{"scale", state.loss_scale.scale}, {"good_steps", state.loss_scale.good_steps}}},
          {"metrics_bytes", state.metrics_bytes},
          {"world", state.world}};
}

RunState parse_run_state(const std::string& text, const std::string& source) {
  try {
    const auto json = nlohmann::json::parse(text);
    const auto& best = json.at("best");
    const auto& interval = json.at("interval");
    const auto& scale = json.at("loss_scale");
    RunState state{.step = json.at("step").get<int64_t>(),
                   .interval = {.loss = interval.at("loss").get<double>(),
                                .gradient_norm = interval.at("gradient_norm").get<double>(),
                                .steps = interval.at("steps").get<int64_t>()},
                   .best = {.metric = best.at("metric").get<std::string>(),
                            .value = best.at("value").get<double>(),
                            .step = best.at("step").get<int64_t>()},
                   .loss_scale = {.scale = scale.at("scale").get<double>(),
                                  .good_steps = scale.at("good_steps").get<int64_t>()},
                   .metrics_bytes = json.at("metrics_bytes").get<int64_t>(),
                   .world = json.value("world", int64_t{1})};
    if (state.step < 0 || state.metrics_bytes < 0 || state.world < 1) {
      throw Error(ErrorKind::checkpoint, source + ": negative step, length or count");
    }
    return state;
  } catch (const nlohmann::json::exception& problem) {
    throw Error(ErrorKind::checkpoint, source + ": not a run's state: " + problem.what());
  }
}

}  // namespace nala::train
