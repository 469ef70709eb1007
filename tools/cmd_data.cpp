#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/progress.h"
#include "data/check.h"
#include "data/contact_sheet.h"
#include "data/dataset.h"
#include "data/datasets/shards.h"
#include "data/demo_digits.h"
#include "data/loader.h"
#include "data/subimages.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr size_t kPrintedFaults = 20;

ordered_json check_split(const CommandLine& line, const train::Recipe& recipe, data::Split split) {
  const auto dataset = data::build_dataset(recipe.data, split);
  const std::string name(data::names_of(split)[static_cast<size_t>(split)]);
  Progress bar("check " + name, dataset->size(), 0, !line.quiet() && on_terminal());
  const data::CheckResult result =
      data::check_dataset(*dataset, recipe.data.workers, [&](int64_t done) { bar.update(done); });
  bar.clear();
  std::printf("%s: %jd pictures of %zu classes, sides %jd to %jd, %zu faulty\n", name.c_str(),
              static_cast<intmax_t>(result.pictures), dataset->classes().size(),
              static_cast<intmax_t>(result.smallest_side),
              static_cast<intmax_t>(result.largest_side), result.faulty.size());
  ordered_json faults = ordered_json::object();
  for (size_t fault = 0; fault < result.fault_counts.size(); ++fault) {
    const std::string kind(data::names_of(data::Fault{})[fault]);
    faults[kind] = result.fault_counts[fault];
    if (result.fault_counts[fault] > 0) {
      std::printf("  %-14s %jd\n", kind.c_str(), static_cast<intmax_t>(result.fault_counts[fault]));
    }
  }
  ordered_json files = ordered_json::array();
  for (size_t i = 0; i < result.faulty.size(); ++i) {
    if (i < kPrintedFaults) {
      std::printf("  %s\n", result.faulty[i].reason.c_str());
    }
    files.push_back({{"path", result.faulty[i].path}, {"reason", result.faulty[i].reason}});
  }
  if (result.faulty.size() > kPrintedFaults) {
    std::printf("  ... (all of them with --json FILE)\n");
  }
  return {{"pictures", result.pictures},
          {"classes", dataset->classes()},
          {"per_class", result.per_class},
          {"faults", faults},
          {"faulty", files}};
}

train::Recipe recipe_of(const CommandLine& line) {
  if (line.operands().size() > 2) {
    throw Error(ErrorKind::usage,
                "data " + line.operands().front() + ": expected one configuration file");
  }
  return line.recipe(line.operands().size() == 2 ? std::optional<fs::path>(line.operands()[1])
                                                 : std::nullopt);
}

int check(const CommandLine& line) {
  const train::Recipe recipe = recipe_of(line);
  ordered_json result;
  bool faulty = false;
  for (const data::Split split : {data::Split::train, data::Split::val}) {
    const std::string name(data::names_of(split)[static_cast<size_t>(split)]);
    result[name] = check_split(line, recipe, split);
    faulty = faulty || !result[name]["faulty"].empty();
  }
  line.write_json(result, "cpu", recipe);
  return faulty ? 1 : 0;
}

int preview(const CommandLine& line) {
  train::Recipe recipe = recipe_of(line);
  if (recipe.data.name == data::DatasetName::super_resolution) {
    recipe.data.mean = {0, 0, 0};  // those pictures are not normalised
    recipe.data.std = {1, 1, 1};
  }
  const fs::path output = line.has("output") ? line.text("output") : "preview.png";
  const auto dataset = data::build_dataset(recipe.data, data::Split::train);
  data::Loader loader(dataset, recipe.data,
                      {.split = data::Split::train, .seed = static_cast<uint64_t>(recipe.seed)});
  loader.start(line.get<int64_t>("epoch"), line.get<int64_t>("batch"));
  const auto batch = loader.next();
  if (!batch) {
    throw Error(ErrorKind::usage,
                "--batch: an epoch has " + std::to_string(loader.batches_per_epoch()) + " batches");
  }
  data::write_png(output, data::contact_sheet(*batch, recipe.data, line.get<int64_t>("columns")));
  std::printf("%s: batch %jd of epoch %jd as training sees it, %zu pictures\n", output.c_str(),
              static_cast<intmax_t>(line.get<int64_t>("batch")),
              static_cast<intmax_t>(line.get<int64_t>("epoch")), batch->indices.size());
  return 0;
}

int shards(const CommandLine& line) {
  train::Recipe recipe = recipe_of(line);
  if (!line.has("output")) {
    throw Error(ErrorKind::usage, "data shards: --output FOLDER is needed");
  }
  const fs::path output = line.text("output");
  for (const data::Split split : {data::Split::train, data::Split::val}) {
    const std::string name(data::names_of(split)[static_cast<size_t>(split)]);
    const auto dataset = data::build_dataset(recipe.data, split);
    Progress bar("shards " + name, dataset->size(), 0, !line.quiet() && on_terminal());
    const int64_t count = data::write_shards(*dataset, output / name,
                                             {.pictures_per_shard = line.get<int64_t>("per-shard")},
                                             [&](int64_t done) { bar.update(done); });
    bar.clear();
    std::printf("%s: %jd pictures in %jd shards\n", (output / name).c_str(),
                static_cast<intmax_t>(dataset->size()), static_cast<intmax_t>(count));
  }
  std::printf("use them with data.name=shards data.root=%s\n", output.c_str());
  return 0;
}

int subimages(const CommandLine& line) {
  const train::Recipe recipe = recipe_of(line);
  if (!line.has("output")) {
    throw Error(ErrorKind::usage, "data subimages: --output FOLDER is needed");
  }
  const fs::path output = line.text("output");
  const auto sets = std::dynamic_pointer_cast<const data::SuperResolutionSets>(
      data::build_dataset(recipe.data, data::Split::train));
  if (!sets) {
    throw Error(ErrorKind::config, "data.name: sub-images are cut of super_resolution sets");
  }
  const data::SubimageOptions options{.size = line.get<int64_t>("size"),
                                      .step = line.get<int64_t>("step"),
                                      .scale = recipe.data.super_resolution.scale,
                                      .form = recipe.data.super_resolution.form};
  Progress bar("subimages", sets->size(), 0, !line.quiet() && on_terminal());
  const int64_t count =
      data::write_subimages(*sets, output, options, [&](int64_t done) { bar.update(done); });
  bar.clear();
  std::printf("%s: %jd parts of %jd pictures; use them with data.root=%s\n", output.c_str(),
              static_cast<intmax_t>(count), static_cast<intmax_t>(sets->size()), output.c_str());
  return 0;
}

int demo(const CommandLine& line) {
  const fs::path output = line.has("output") ? line.text("output") : "datasets/digits";
  if (!fs::exists(output)) {
    const fs::path sheet = line.has("sheet")
                               ? fs::path(line.text("sheet"))
                               : data::fetch_digits_sheet(output.string() + ".download");
    data::prepare_digits(sheet, output);
    fs::remove_all(output.string() + ".download");
  }
  std::printf("%s: 5000 handwritten digits, 4500 to train on and 500 to evaluate on\n",
              output.c_str());
  return 0;
}

}  // namespace

int run_data(int argc, char** argv) {
  const CommandLine line(
      {.name = "data",
       .operands = "check|preview|shards|subimages|demo [CONFIG] [key=value ...]",
       .summary =
           "check: decode every picture of a data set and report the faulty ones (status 1).\n"
           "preview: write an augmented training batch as one PNG (--output FILE).\n"
           "shards: write a set of picture files as tar shards (--output FOLDER).\n"
           "subimages: cut the training pictures of super-resolution into parts (--output "
           "FOLDER).\n"
           "demo: prepare the 5000 handwritten digits of configs/demo/digits.yaml.",
       .example = "nalaformer data check data.root=my_pictures --json faults.json"},
      [](cxxopts::OptionAdder& add) {
        add("sheet", "demo: the digits.png to cut (default: out of Debian's opencv-doc)",
            cxxopts::value<std::string>(),
            "FILE")("epoch", "preview: which epoch", cxxopts::value<int64_t>()->default_value("0"))(
            "batch", "preview: which batch of it", cxxopts::value<int64_t>()->default_value("0"))(
            "columns", "preview: pictures in a row", cxxopts::value<int64_t>()->default_value("8"))(
            "size", "subimages: side of a part, in high-resolution pixels",
            cxxopts::value<int64_t>()->default_value("480"))(
            "step", "subimages: from one part to the next",
            cxxopts::value<int64_t>()->default_value("240"))(
            "per-shard", "shards: pictures in one of them",
            cxxopts::value<int64_t>()->default_value("10000"));
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const std::string action = line.operands().empty() ? "" : line.operands().front();
  if (action == "check") {
    return check(line);
  }
  if (action == "preview") {
    return preview(line);
  }
  if (action == "shards") {
    return shards(line);
  }
  if (action == "subimages") {
    return subimages(line);
  }
  if (action == "demo") {
    return demo(line);
  }
  throw Error(ErrorKind::usage,
              "data: expected check, preview, shards, subimages or demo, found '" + action + "'");
}

}  // namespace nala::tools
