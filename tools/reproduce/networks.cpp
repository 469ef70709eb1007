#include "reproduce/networks.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/error.h"
#include "core/number_text.h"
#include "reproduce/child.h"
#include "reproduce/publish.h"

namespace nala::tools {
namespace {

// The words that a child has to share with this command.
void append_shared_options(const CommandLine& line, std::vector<std::string>& words) {
  words.insert(words.end(), {"--device", line.get<std::string>("device")});
  if (line.has("threads")) {
    words.insert(words.end(), {"--threads", std::to_string(line.get<int>("threads"))});
  }
}

}  // namespace

void add_network_options(cxxopts::OptionAdder& add, bool timed) {
  add("checkpoints", "checkpoints to evaluate, as ROW=CKPT,...; rows as the first column has them",
      cxxopts::value<std::string>())("weights", "of the checkpoints: raw or ema",
                                     cxxopts::value<std::string>()->default_value("raw"))(
      "published", "folder of the published numbers (default: configs/published)",
      cxxopts::value<std::string>(), "DIR");
  if (timed) {
    add("batch", "pictures at once for the speed",
        cxxopts::value<std::string>()->default_value("16"))(
        "seconds", "time to spend on the speed of each network; 0: leave it out",
        cxxopts::value<double>()->default_value("3"));
  }
}

models::Description counts_of(const NetworkSettings& settings) {
  config::Value value{.kind = config::Value::Kind::mapping};
  for (const std::string& assignment : settings) {
    config::apply_override(value, assignment);
  }
  const auto recipe = config::read<train::Recipe>(value);
  return models::describe(models::resolve(recipe.model), recipe.task, recipe.data.height(),
                          recipe.data.width());
}

double pictures_per_second(const CommandLine& line, const NetworkSettings& settings) {
  std::vector<std::string> words{"bench",     "model",
                                 "--batch",   line.get<std::string>("batch"),
                                 "--seconds", fixed(line.get<double>("seconds"), 3)};
  append_shared_options(line, words);
  words.insert(words.end(), settings.begin(), settings.end());
  return json_of_child(words).at("rows").at(0).at("images_per_second").get<double>();
}

std::string here_note(const CommandLine& line) {
  const bool timed = line.get<double>("seconds") > 0;
  return "Here: " + machine_text() +
         (timed ? "; speed of batches of " + line.get<std::string>("batch") + ", float32." : ".");
}

GivenCheckpoints::GivenCheckpoints(const CommandLine& line, const std::vector<std::string>& known)
    : line_(line) {
  for (const std::string& part : split_list(line.text("checkpoints"))) {
    const size_t equals = part.find('=');
    const std::string row = part.substr(0, equals);
    if (equals == std::string::npos || std::find(known.begin(), known.end(), row) == known.end()) {
      std::string names;
      for (const std::string& name : known) {
        names += " " + name;
      }
      throw Error(ErrorKind::usage,
                  "--checkpoints: expected ROW=CKPT, found '" + part + "'; rows:" + names);
    }
    paths_[row] = part.substr(equals + 1);
  }
}

nlohmann::json GivenCheckpoints::metrics(const std::string& row) const {
  const auto found = paths_.find(row);
  if (found == paths_.end()) {
    return nullptr;
  }
  const auto weights = line_.get<std::string>("weights");
  std::vector<std::string> words{"eval"};
  words.insert(words.end(), line_.operands().begin(), line_.operands().end());
  words.insert(words.end(), {"--checkpoint", found->second, "--weights", weights});
  append_shared_options(line_, words);
  words.insert(words.end(), line_.overrides().begin(), line_.overrides().end());
  return json_of_child(words).at("metrics").at(weights);
}

std::string GivenCheckpoints::source(const std::string& row) const {
  const auto found = paths_.find(row);
  return found == paths_.end() ? "this program" : found->second;
}

std::string in_units(int64_t count, double unit, int decimals) {
  return fixed(static_cast<double>(count) / unit, decimals);
}

std::string metric_text(const nlohmann::json& metrics, const std::string& key, int decimals) {
  return metrics.is_object() && metrics.contains(key) && metrics.at(key).is_number()
             ? fixed(metrics.at(key).get<double>(), decimals)
             : "";
}

}  // namespace nala::tools
