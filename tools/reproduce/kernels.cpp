#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "core/number_text.h"
#include "reproduce/networks.h"
#include "reproduce/publish.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

// The words of a row's settings, and the backbone they belong to.
NetworkSettings kernel_settings(const PublishedRow& row) {
  NetworkSettings settings{"model.name=nalaformer_t", "model.num_classes=1000"};
  std::istringstream words(row.at("settings"));
  for (std::string word; words >> word;) {
    settings.push_back(word);
  }
  return settings;
}

report::Row kernel_row(const CommandLine& line,
                       const GivenCheckpoints& checkpoints,
                       const PublishedRow& row) {
  std::vector<std::string> cells{row.at("cell"), row.at("kernel"), row.at("params_m"),
                                 row.at("gmacs"), row.at("top1")};
  if (row.at("cell").empty()) {
    cells.insert(cells.end(), {"", "", "", ""});
  } else {
    const NetworkSettings settings = kernel_settings(row);
    const models::Description counts = counts_of(settings);
    const bool timed = line.get<double>("seconds") > 0;
    cells.insert(cells.end(),
                 {in_units(counts.parameters(), 1e6, 2), in_units(counts.multiply_adds(), 1e9, 3),
                  metric_text(checkpoints.metrics(row.at("cell")), "top1", 2),
                  timed ? fixed(pictures_per_second(line, settings), 1) : ""});
  }
  cells.push_back(row.at("source"));
  return {.cells = cells, .group = row.at("table")};
}

}  // namespace

int reproduce_kernels(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce kernels",
       .operands = "[CONFIG] [key=value ...]",
       .summary =
           "NaLaFormer v1's Tables 5 and 6: the kernels of attention, there in Swin-T, here\n"
           "in NaLaFormer-T; top-1 of given checkpoints on CONFIG's validation set.",
       .example = "nalaformer reproduce kernels configs/imagenet/nalaformer_t.yaml "
                  "--checkpoints focused=runs/t_focused,cosine=runs/t_cosine"},
      [](cxxopts::OptionAdder& add) { add_network_options(add, true); }, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const auto published = read_published(published_folder(line.text("published")), "linear_kernels");
  std::vector<std::string> names;
  for (const PublishedRow& row : published) {
    if (!row.at("cell").empty()) {
      names.push_back(row.at("cell"));
    }
  }
  const GivenCheckpoints checkpoints(line, names);
  report::Table table{
      .title = "Kernels of attention, ImageNet-1K at 224 × 224",
      .columns = {{"cell"},
                  {"kernel"},
                  {"Swin-T: parameters, M", true},
                  {"multiply-adds, G", true},
                  {"top-1, published", true},
                  {"NaLaFormer-T: parameters, M", true},
                  {"multiply-adds here, G", true},
                  {"top-1, here", true},
                  {"pictures/s, here", true},
                  {"source"}},
      .notes = {"Published in Swin-T, here in NaLaFormer-T, whose last two stages are softmax in "
                "every row: compare within a column, not across. Rows without a cell are kernels "
                "that this program does not have.",
                here_note(line)}};
  for (const PublishedRow& row : published) {
    table.rows.push_back(kernel_row(line, checkpoints, row));
  }
  publish(line, "kernels", table);
  return 0;
}

}  // namespace nala::tools
