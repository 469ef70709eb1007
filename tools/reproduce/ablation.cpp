#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/number_text.h"
#include "core/spread.h"
#include "reproduce/grid_runs.h"
#include "reproduce/publish.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

constexpr int kStopped = 75;
// What tells how good a run is, by task: the first that its evaluation has.
constexpr std::array<const char*, 3> kHeadlines{"top1", "miou", "psnr_y"};

std::vector<int64_t> seeds_of(const std::string& text) {
  std::vector<int64_t> seeds;
  for (const std::string& part : split_list(text)) {
    int64_t seed = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), seed);
    if (code != std::errc() || end != part.data() + part.size() || seed < 0 ||
        std::find(seeds.begin(), seeds.end(), seed) != seeds.end()) {
      throw Error(
          ErrorKind::usage,
          "--seeds: expected different whole numbers separated by commas, found '" + text + "'");
    }
    seeds.push_back(seed);
  }
  if (seeds.empty()) {
    throw Error(ErrorKind::usage, "--seeds: empty, expected numbers such as 0,1,2");
  }
  return seeds;
}

// A cell with its runs, in the order of the seeds.
struct CellRuns {
  Cell cell;
  std::vector<GridRun> runs;
};

std::vector<CellRuns> runs_of_grid(const Grid& grid,
                                   const std::vector<int64_t>& seeds,
                                   const CommandLine& line) {
  std::vector<CellRuns> all;
  for (const Cell& cell : grid.cells) {
    CellRuns& one = all.emplace_back(CellRuns{.cell = cell, .runs = {}});
    for (const int64_t seed : seeds) {
      one.runs.push_back(run_of(grid, cell, seed, line.overrides(), line.text("output")));
    }
  }
  return all;
}

// Counts what --collect and failures leave out.
struct GridOutcome {
  int64_t trained = 0, skipped = 0, failed = 0;
  bool stopped = false;
};

// Seed by seed, so that a grid that is stopped early has every cell as often as any other.
GridOutcome train_missing(const Grid& grid,
                          const std::vector<CellRuns>& cells,
                          const CommandLine& line) {
  std::vector<std::string> options{"--device", line.get<std::string>("device")};
  if (line.has("threads")) {
    options.insert(options.end(), {"--threads", std::to_string(line.get<int>("threads"))});
  }
  Log log(line.log_level());
  GridOutcome outcome;
  for (size_t i = 0; i < cells.front().runs.size(); ++i) {
    for (const CellRuns& cell : cells) {
      const GridRun& run = cell.runs[i];
      if (is_trained(run)) {
        ++outcome.skipped;
        continue;
      }
      const int status = train_run(grid, run, options);
      outcome.stopped = status == kStopped;
      if (outcome.stopped) {
        return outcome;
      }
      ++(status == 0 ? outcome.trained : outcome.failed);
      log.info(run.folder.string() +
               (status == 0 ? ": trained" : ": failed with status " + std::to_string(status)));
    }
  }
  return outcome;
}

std::string headline_of(const std::map<std::string, double>& metrics) {
  for (const char* name : kHeadlines) {
    if (metrics.contains(name)) {
      return name;
    }
  }
  return "loss";
}

// What the tables are made of: the finished runs of every cell.
class GridResults {
 public:
  GridResults(const std::vector<CellRuns>& cells, const std::string& weights) : cells_(cells) {
    for (const CellRuns& cell : cells) {
      for (const GridRun& run : cell.runs) {
        if (is_trained(run)) {
          results_[run.folder] = result_of(run, weights);
          headline_ = headline_of(results_[run.folder].metrics);
        }
      }
    }
  }

  [[nodiscard]] report::Table summary(const std::string& title) const {
    report::Table table{.title = title,
                        .columns = {{"cell"},
                                    {"set"},
                                    {headline_ + ", mean ± sd", true},
                                    {"loss, mean ± sd", true},
                                    {"runs", true},
                                    {"configuration"},
                                    {"folder"}}};
    for (const CellRuns& cell : cells_) {
      const Spread best = spread(cell, headline_);
      std::string set;
      for (const std::string& word : cell.cell.set) {
        set += (set.empty() ? "" : " ") + word;
      }
      table.rows.push_back({.cells = {cell.cell.name, set.empty() ? "the recipe as it is" : set,
                                      spread_text(best, 2), spread_text(spread(cell, "loss"), 4),
                                      std::to_string(best.count), cell.runs.front().config_hash,
                                      cell.runs.front().folder.parent_path().string()},
                            .group = cell.cell.group});
    }
    table.notes.push_back(
        "At the end of training, without choosing the best evaluation; sd: of "
        "the sample over seeds.");
    for (const std::string& machine : machines()) {
      table.notes.push_back("Trained on: " + machine + ".");
    }
    return table;
  }

  // One row per run.
  [[nodiscard]] report::Table runs() const {
    report::Table table{
        .title = "runs",
        .columns = {{"cell"}, {"folder"}, {headline_}, {"loss"}, {"configuration"}, {"machine"}}};
    for (const CellRuns& cell : cells_) {
      for (const GridRun& run : cell.runs) {
        const auto found = results_.find(run.folder);
        if (found == results_.end()) {
          continue;
        }
        const auto& metrics = found->second.metrics;
        table.rows.push_back(
            {.cells = {cell.cell.name, run.folder.string(), fixed(metrics.at(headline_), 4),
                       metrics.contains("loss") ? fixed(metrics.at("loss"), 6) : "",
                       run.config_hash, found->second.machine},
             .group = ""});
      }
    }
    return table;
  }

 private:
  [[nodiscard]] Spread spread(const CellRuns& cell, const std::string& metric) const {
    std::vector<double> values;
    for (const GridRun& run : cell.runs) {
      const auto found = results_.find(run.folder);
      if (found != results_.end() && found->second.metrics.contains(metric)) {
        values.push_back(found->second.metrics.at(metric));
      }
    }
    return spread_of(values);
  }

  [[nodiscard]] std::set<std::string> machines() const {
    std::set<std::string> found;
    for (const auto& [folder, result] : results_) {
      found.insert(result.machine);
    }
    return found;
  }

  const std::vector<CellRuns>& cells_;
  std::map<std::filesystem::path, RunResult> results_;
  std::string headline_ = kHeadlines.front();
};

}  // namespace

int reproduce_ablation(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce ablation",
       .operands = "--grid GRID --output DIR [key=value ...]",
       .summary = "Train every cell of a grid with every seed, one process after the other, and\n"
                  "write mean and spread. Started again, it trains what is missing alone.",
       .example = "nalaformer reproduce ablation --grid configs/ablations/digits.yaml "
                  "--output runs/ablation/digits"},
      [](cxxopts::OptionAdder& add) {
        using cxxopts::value;
        add("grid", "the grid: recipe and cells", value<std::string>(), "FILE")(
            "seeds", "seeds of every cell", value<std::string>()->default_value("0,1,2"), "LIST")(
            "weights", "what is compared: raw or ema", value<std::string>()->default_value("raw"))(
            "collect", "train nothing: write the tables of what is there");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  if (!line.has("grid") || !line.has("output") || !line.operands().empty()) {
    throw Error(ErrorKind::usage,
                "reproduce ablation: expected --grid GRID --output DIR and key=value words alone");
  }
  const Grid grid = read_grid(line.text("grid"));
  const std::vector<CellRuns> cells =
      runs_of_grid(grid, seeds_of(line.get<std::string>("seeds")), line);
  const GridOutcome outcome =
      line.has("collect") ? GridOutcome{} : train_missing(grid, cells, line);
  const GridResults results(cells, line.get<std::string>("weights"));
  const std::string title = "Ablation: " + std::filesystem::path(line.text("grid")).stem().string();
  publish(line, "ablation", results.summary(title));
  write_file(std::filesystem::path(line.text("output")) / "runs.csv",
             report::to_csv(results.runs()));
  std::printf("\n%jd runs trained, %jd were there, %jd failed\n",
              static_cast<intmax_t>(outcome.trained), static_cast<intmax_t>(outcome.skipped),
              static_cast<intmax_t>(outcome.failed));
  return outcome.stopped ? kStopped : outcome.failed > 0 ? 1 : 0;
}

}  // namespace nala::tools
