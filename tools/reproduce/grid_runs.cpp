#include "reproduce/grid_runs.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "reproduce/child.h"
#include "reproduce/publish.h"
#include "train/metrics_log.h"
#include "train/recipe.h"

namespace nala::tools {
namespace {

constexpr size_t kHashDigits = 12;
constexpr uint64_t kLargestResult = uint64_t{1} << 20;
constexpr std::array<std::string_view, 4> kNotHashed{"output", "seed", "data.root", "data.workers"};

// What a finished run leaves beside its own files; null where there is none.
nlohmann::json marker_of(const GridRun& run) {
  const std::filesystem::path path = run.folder / "result.json";
  if (!std::filesystem::exists(path)) {
    return nullptr;
  }
  const auto marker = nlohmann::json::parse(read_file(path, kLargestResult), nullptr, false);
  return marker.is_object() ? marker : nlohmann::json();
}

// Of a file that may not be there.
std::filesystem::file_time_type written_at(const std::filesystem::path& path) {
  std::error_code code;
  const auto time = std::filesystem::last_write_time(path, code);
  return code ? std::filesystem::file_time_type::min() : time;
}

}  // namespace

std::string config_hash(const config::Value& configuration) {
  std::string text;
  for (const auto& [key, value] : config::flatten(configuration)) {
    if (std::find(kNotHashed.begin(), kNotHashed.end(), key) == kNotHashed.end()) {
      text.append(key).append(": ").append(value).append("\n");
    }
  }
  return sha256(text).substr(0, kHashDigits);
}

GridRun run_of(const Grid& grid,
               const Cell& cell,
               int64_t seed,
               const std::vector<std::string>& words,
               const std::filesystem::path& folder) {
  GridRun run{.folder = folder / cell.name / ("seed-" + std::to_string(seed)), .words = words};
  run.words.insert(run.words.end(), cell.set.begin(), cell.set.end());
  run.words.push_back("seed=" + std::to_string(seed));
  config::Value value = config::load(grid.recipe.value);
  for (const std::string& word : run.words) {
    config::apply_override(value, word);
  }
  run.config_hash = config_hash(config::write(config::read<train::Recipe>(value)));
  return run;
}

bool is_trained(const GridRun& run) {
  const nlohmann::json marker = marker_of(run);
  return marker.is_object() && marker.value("config_hash", "") == run.config_hash;
}

int train_run(const Grid& grid, const GridRun& run, const std::vector<std::string>& options) {
  std::vector<std::string> words{"train", grid.recipe.value};
  words.insert(words.end(), run.words.begin(), run.words.end());
  words.insert(words.end(), {"--output", run.folder.string(), "--quiet"});
  words.insert(words.end(), options.begin(), options.end());
  const auto before = written_at(run.folder / "metrics.jsonl");
  const int status = run_child(words);
  if (status == 0) {
    // Without a new line it was trained before, by who knows whom.
    const bool trained = written_at(run.folder / "metrics.jsonl") != before;
    const nlohmann::ordered_json marker{{"config_hash", run.config_hash},
                                        {"machine", trained ? machine_text() : "not recorded"}};
    write_file(run.folder / "result.json", marker.dump(2) + "\n");
  }
  return status;
}

RunResult result_of(const GridRun& run, const std::string& weights) {
  RunResult result{.metrics = {}, .machine = marker_of(run).value("machine", "")};
  for (const nlohmann::json& line : train::read_metrics(run.folder / "metrics.jsonl")) {
    if (line.value("kind", "") != "eval" || line.value("weights", "") != weights) {
      continue;
    }
    result.metrics.clear();
    for (const auto& [key, value] : line.items()) {
      if (value.is_number()) {
        result.metrics[key] = value.get<double>();
      }
    }
  }
  if (result.metrics.empty()) {
    throw Error(ErrorKind::data, (run.folder / "metrics.jsonl").string() + ": no evaluation of " +
                                     weights + " weights");
  }
  return result;
}

}  // namespace nala::tools
