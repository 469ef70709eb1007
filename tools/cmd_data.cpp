#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "core/progress.h"
#include "data/check.h"
#include "data/dataset.h"
#include "data/demo_digits.h"

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

int check(const CommandLine& line) {
  if (line.operands().size() > 2) {
    throw Error(ErrorKind::usage, "data check: expected one configuration file");
  }
  const train::Recipe recipe = line.recipe(
      line.operands().size() == 2 ? std::optional<fs::path>(line.operands()[1]) : std::nullopt);
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
       .operands = "check|demo [CONFIG] [key=value ...]",
       .summary =
           "check: decode every picture of a data set and report the faulty ones (status 1).\n"
           "demo: prepare the 5000 handwritten digits of configs/demo/digits.yaml.",
       .example = "nalaformer data check data.root=my_pictures --json faults.json"},
      [](cxxopts::OptionAdder& add) {
        add("sheet", "demo: the digits.png to cut (default: out of Debian's opencv-doc)",
            cxxopts::value<std::string>(), "FILE");
      },
      argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const std::string action = line.operands().empty() ? "" : line.operands().front();
  if (action == "check") {
    return check(line);
  }
  if (action == "demo") {
    return demo(line);
  }
  throw Error(ErrorKind::usage, "data: expected check or demo, found '" + action + "'");
}

}  // namespace nala::tools
