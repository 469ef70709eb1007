#include <nlohmann/json.hpp>
#include <string>

#include "core/number_text.h"
#include "models/zoo.h"
#include "reproduce/networks.h"
#include "reproduce/publish.h"
#include "reproduce/tables.h"

namespace nala::tools {
namespace {

// The size class of a zoo's row: nalaformer_t_r35 is a T.
std::string class_of(const std::string& name) {
  const size_t begin = std::string("nalaformer_").size();
  std::string text = name.substr(begin, name.find('_', begin) - begin);
  for (char& c : text) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

report::Row zoo_row(const CommandLine& line,
                    const GivenCheckpoints& checkpoints,
                    const std::string& name) {
  const NetworkSettings settings{"model.name=" + name, "model.num_classes=1000"};
  const models::Description counts = counts_of(settings);
  const bool timed = line.get<double>("seconds") > 0;
  return {.cells = {name, "linear", in_units(counts.parameters(), 1e6, 2),
                    in_units(counts.multiply_adds(), 1e9, 3), "",
                    metric_text(checkpoints.metrics(name), "top1", 2),
                    timed ? fixed(pictures_per_second(line, settings), 1) : "",
                    checkpoints.source(name)},
          .group = class_of(name)};
}

}  // namespace

int reproduce_imagenet(int argc, char** argv) {
  const CommandLine line(
      {.name = "reproduce imagenet",
       .operands = "[CONFIG] [key=value ...]",
       .summary = "NaLaFormer v1's Table 1: parameters, multiply-adds and speed of the zoo here,\n"
                  "top-1 of given checkpoints on CONFIG's validation set, published rows beside.",
       .example = "nalaformer reproduce imagenet configs/imagenet/nalaformer_t.yaml "
                  "--checkpoints nalaformer_t=runs/t"},
      [](cxxopts::OptionAdder& add) { add_network_options(add, true); }, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  std::vector<std::string> names;
  for (const models::ZooRow& row : models::zoo()) {
    names.emplace_back(names_of(row.model)[static_cast<size_t>(row.model)]);
  }
  const GivenCheckpoints checkpoints(line, names);
  const auto published = read_published(published_folder(line.text("published")), "imagenet");
  report::Table table{.title = "ImageNet-1K at 224 × 224",
                      .columns = {{"network"},
                                  {"mixer"},
                                  {"parameters, M", true},
                                  {"multiply-adds, G", true},
                                  {"top-1, published", true},
                                  {"top-1, here", true},
                                  {"pictures/s, here", true},
                                  {"source"}},
                      .notes = {here_note(line)}};
  for (const std::string size : {"XT", "T", "S", "B", "L"}) {
    for (const std::string& name : names) {
      if (class_of(name) == size) {
        table.rows.push_back(zoo_row(line, checkpoints, name));
      }
    }
    for (const PublishedRow& row : published) {
      if (row.at("size") == size) {
        table.rows.push_back({.cells = {row.at("model"), row.at("mixer"), row.at("params_m"),
                                        row.at("gmacs"), row.at("top1"), "", "", row.at("source")},
                              .group = size});
      }
    }
  }
  publish(line, "imagenet", table);
  return 0;
}

}  // namespace nala::tools
