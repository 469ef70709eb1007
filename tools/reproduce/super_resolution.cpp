#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "core/number_text.h"
#include "reproduce/networks.h"
#include "reproduce/publish.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

// The test sets by the published file's columns and as folders.
struct TestSet {
  const char* column;
  const char* folder;
};
constexpr std::array<TestSet, 5> kTestSets{{{"set5", "Set5"},
                                            {"set14", "Set14"},
                                            {"b100", "BSD100"},
                                            {"urban100", "Urban100"},
                                            {"manga109", "Manga109"}}};

// The low-resolution picture of a 1280 x 720 result, rounded up.
std::string size_below_720p(int64_t scale) {
  const auto part = [&](int64_t side) { return std::to_string((side + scale - 1) / scale); };
  return "[" + part(720) + "," + part(1280) + "]";
}

report::Row upscaler_row(const GivenCheckpoints& checkpoints, const std::string& size, int scale) {
  const std::string name = size + "_x" + std::to_string(scale);
  const models::Description counts =
      counts_of({"task=super_resolution", "model.super_resolution.size=" + size,
                 "model.super_resolution.scale=" + std::to_string(scale),
                 "data.name=super_resolution", "data.image_size=" + size_below_720p(scale)});
  report::Row row{.cells = {name, "linear", in_units(counts.parameters(), 1e3, 0),
                            in_units(counts.multiply_adds(), 1e9, 1)},
                  .group = "×" + std::to_string(scale)};
  const nlohmann::json metrics = checkpoints.metrics(name);
  for (const TestSet& set : kTestSets) {
    const bool there = metrics.is_object() && metrics.at("sets").contains(set.folder);
    row.cells.push_back(there ? metric_text(metrics.at("sets").at(set.folder), "psnr_y", 2) + "/" +
                                    metric_text(metrics.at("sets").at(set.folder), "ssim_y", 4)
                              : "");
  }
  row.cells.push_back(checkpoints.source(name));
  return row;
}

}  // namespace

int reproduce_super_resolution(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce sr",
       .operands = "[CONFIG] [key=value ...]",
       .summary = "Super-resolution networks here beside published lightweight ones; PSNR and\n"
                  "SSIM of given checkpoints on CONFIG's test sets.",
       .example = "nalaformer reproduce sr configs/div2k/light_x2.yaml --checkpoints "
                  "light_x2=runs/light_x2"},
      [](cxxopts::OptionAdder& add) { add_network_options(add, false); }, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const std::vector<std::string> sizes{"light", "base"};
  std::vector<std::string> names;
  for (const std::string& size : sizes) {
    for (const char* scale : {"_x2", "_x3", "_x4"}) {
      names.push_back(size + scale);
    }
  }
  const GivenCheckpoints checkpoints(line, names);
  const auto published = read_published(published_folder(line.text("published")), "sr");
  report::Table table{
      .title = "Super-resolution",
      .columns = {{"network"}, {"mixer"}, {"parameters, K", true}, {"multiply-adds, G", true}},
      .notes = {"PSNR in dB / SSIM on luma, as many border pixels left out as the scale; "
                "multiply-adds of a 1280 × 720 result.",
                "The paper's own super-resolution table was not at hand: no published row is "
                "NaLaFormer's.",
                "Here: " + machine_text() + "."}};
  for (const TestSet& set : kTestSets) {
    table.columns.push_back({set.folder, true});
  }
  table.columns.push_back({"source"});
  for (const int scale : {2, 3, 4}) {
    for (const std::string& size : sizes) {
      table.rows.push_back(upscaler_row(checkpoints, size, scale));
    }
    for (const PublishedRow& row : published) {
      if (row.at("scale") != std::to_string(scale)) {
        continue;
      }
      report::Row& cells = table.rows.emplace_back(report::Row{
          .cells = {row.at("method"), row.at("mixer"), row.at("params_k"), row.at("gmacs")},
          .group = "×" + std::to_string(scale)});
      for (const TestSet& set : kTestSets) {
        cells.cells.push_back(row.at(set.column));
      }
      cells.cells.push_back(row.at("source"));
    }
  }
  publish(line, "sr", table);
  return 0;
}

}  // namespace nala::tools
