#include <nlohmann/json.hpp>
#include <string>

#include "core/number_text.h"
#include "reproduce/networks.h"
#include "reproduce/publish.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

struct SegmentationHeadRows {
  std::string title;  // as the published file has it
  std::string head;   // model.segmentation.head
  std::string recipe;
  std::string schedule;
};

report::Row segmenter_row(const GivenCheckpoints& checkpoints,
                          const SegmentationHeadRows& head,
                          const std::string& size) {
  const std::string name = head.recipe + size;
  const models::Description counts = counts_of(
      {"task=segmentation", "model.name=nalaformer_" + size, "model.segmentation.head=" + head.head,
       "model.num_classes=150", "data.name=ade20k", "data.image_size=512"});
  const nlohmann::json metrics = checkpoints.metrics(name);
  return {.cells = {name, "linear", head.schedule, in_units(counts.parameters(), 1e6, 1),
                    in_units(counts.multiply_adds(), 1e9, 1), "", metric_text(metrics, "miou", 2),
                    metric_text(metrics, "macc", 2),
                    checkpoints.source(name)},
          .group = head.title};
}

}  // namespace

int reproduce_ade20k(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce ade20k",
       .operands = "[CONFIG] [key=value ...]",
       .summary = "NaLaFormer v1's Table 3: segmentation networks, mIoU of given checkpoints on\n"
                  "CONFIG's validation set, published rows beside.",
       .example = "nalaformer reproduce ade20k configs/ade20k/fpn_40k_nalaformer_t.yaml "
                  "--checkpoints fpn_40k_nalaformer_t=runs/fpn_t"},
      [](cxxopts::OptionAdder& add) { add_network_options(add, false); }, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const std::vector<SegmentationHeadRows> heads{
      {"Semantic FPN", "semantic_fpn", "fpn_40k_nalaformer_", "40K"},
      {"UperNet", "upernet", "upernet_160k_nalaformer_", "160K"}};
  const std::vector<std::string> sizes{"t", "s", "b", "l"};
  std::vector<std::string> names;
  for (const SegmentationHeadRows& head : heads) {
    for (const std::string& size : sizes) {
      names.push_back(head.recipe + size);
    }
  }
  const GivenCheckpoints checkpoints(line, names);
  const auto published = read_published(published_folder(line.text("published")), "ade20k");
  report::Table table{.title = "ADE20K, 150 classes",
                      .columns = {{"network"},
                                  {"mixer"},
                                  {"schedule"},
                                  {"parameters, M", true},
                                  {"multiply-adds at 512 × 512, G", true},
                                  {"mIoU, published", true},
                                  {"mIoU, here", true},
                                  {"mAcc, here", true},
                                  {"source"}},
                      .notes = {"Here: " + machine_text() + "."}};
  for (const SegmentationHeadRows& head : heads) {
    for (const std::string& size : sizes) {
      table.rows.push_back(segmenter_row(checkpoints, head, size));
    }
    for (const PublishedRow& row : published) {
      if (row.at("head") == head.title) {
        table.rows.push_back({.cells = {row.at("backbone"), row.at("mixer"), row.at("schedule"), "",
                                        "", row.at("miou"), "", "", row.at("source")},
                              .group = head.title});
      }
    }
  }
  publish(line, "ade20k", table);
  return 0;
}

}  // namespace nala::tools
