#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/bench.h"
#include "bench/timing.h"
#include "command_line.h"
#include "core/error.h"
#include "data/loader.h"

namespace nala::tools {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

// One way to load, and what its rounds gave.
struct LoaderCase {
  data::Split split = data::Split::val;
  int64_t workers = 1;
  bool fast_decode = false;
  std::unique_ptr<data::Loader> loader;
  std::vector<double> images_per_second;
};

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Batches for `seconds`, epoch after epoch; the first, in which the workers start, is not counted.
double measure(data::Loader& loader, double seconds) {
  int64_t epoch = 0;
  loader.start(epoch);
  loader.next();
  const auto begin = Clock::now();
  int64_t images = 0;
  double passed = 0;
  while (passed < seconds) {
    if (const auto batch = loader.next()) {
      images += std::ssize(batch->indices);
    } else {
      loader.start(++epoch);
    }
    passed = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return static_cast<double>(images) / passed;
}

std::vector<LoaderCase> cases_of(const CommandLine& line, const train::Recipe& recipe) {
  std::vector<LoaderCase> cases;
  for (const std::string& name : split_list(line.get<std::string>("splits"))) {
    if (name != "train" && name != "val") {
      throw Error(ErrorKind::usage, "--splits: expected train or val, found " + name);
    }
    const data::Split split = name == "train" ? data::Split::train : data::Split::val;
    const auto dataset = data::build_dataset(recipe.data, split);
    for (const bool fast : {false, true}) {
      for (const int64_t workers : integers_of("workers", line.get<std::string>("workers"))) {
        data::DataConfig config = recipe.data;
        config.workers = workers;
        config.fast_decode = fast;
        cases.push_back(
            {split,
             workers,
             fast,
             std::make_unique<data::Loader>(
                 dataset, config,
                 data::LoaderOptions{.split = split, .seed = static_cast<uint64_t>(recipe.seed)}),
             {}});
      }
    }
  }
  return cases;
}

}  // namespace

int bench_loader(int argc, char** argv) {
  const CommandLine line(
      {.name = "bench loader",
       .operands = "[CONFIG] [key=value ...]",
       .summary = "Pictures per second of decoding and transforming, for training and evaluation.",
       .example = "nalaformer bench loader configs/imagenet/nalaformer_xt.yaml data.root=IMAGENET"},
      [](cxxopts::OptionAdder& add) {
        add("splits", "parts of the data to load",
            cxxopts::value<std::string>()->default_value("train,val"))(
            "workers", "numbers of workers to try",
            cxxopts::value<std::string>()->default_value("1,2"))(
            "rounds", "interleaved rounds, of which the median is taken",
            cxxopts::value<int64_t>()->default_value("5"))(
            "seconds", "length of one", cxxopts::value<double>()->default_value("2"));
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const train::Recipe recipe = line.recipe(
      line.operands().empty() ? std::nullopt
                              : std::optional<std::filesystem::path>(line.operands().front()));
  std::vector<LoaderCase> cases = cases_of(line, recipe);
  for (int64_t round = 0; round < line.get<int64_t>("rounds"); ++round) {
    for (LoaderCase& one : cases) {
      one.images_per_second.push_back(measure(*one.loader, line.get<double>("seconds")));
    }
  }
  ordered_json rows = ordered_json::array();
  std::printf("split  workers  fast_decode  pictures/s  (least ... most)\n");
  for (const LoaderCase& one : cases) {
    const auto [least, most] =
        std::minmax_element(one.images_per_second.begin(), one.images_per_second.end());
    const double median = median_of(one.images_per_second);
    const std::string split(data::names_of(one.split)[static_cast<size_t>(one.split)]);
    std::printf("%-5s  %7jd  %11s  %10.1f  (%.1f ... %.1f)\n", split.c_str(),
                static_cast<intmax_t>(one.workers), one.fast_decode ? "true" : "false", median,
                *least, *most);
    rows.push_back({{"split", split},
                    {"workers", one.workers},
                    {"fast_decode", one.fast_decode},
                    {"images_per_second", median},
                    {"rounds", one.images_per_second}});
  }
  line.write_json({{"rows", rows}}, "cpu", recipe);
  return 0;
}

}  // namespace nala::tools
