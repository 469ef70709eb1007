#include "reproduce/publish.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/files.h"

namespace nala::tools {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

nlohmann::ordered_json rows_as_json(const report::Table& table) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const report::Row& row : table.rows) {
    nlohmann::ordered_json& object = rows.emplace_back(nlohmann::ordered_json::object());
    if (!row.group.empty()) {
      object["group"] = row.group;
    }
    for (size_t i = 0; i < row.cells.size(); ++i) {
      object[table.columns[i].name] = row.cells[i];
    }
  }
  return rows;
}

}  // namespace

std::string machine_text() {
  return processor_name() + ", " + std::to_string(std::thread::hardware_concurrency()) +
         " cores, nalaformer " + version();
}

void publish(const CommandLine& line, const std::string& name, const report::Table& table) {
  std::printf("%s", report::to_markdown(table).c_str());
  if (line.has("output")) {
    const std::filesystem::path folder = line.text("output");
    write_file(folder / (name + ".md"), report::to_markdown(table));
    write_file(folder / (name + ".csv"), report::to_csv(table));
    write_file(folder / (name + ".html"), report::render_table(table));
  }
  line.write_json({{"table", name}, {"machine", machine_text()}, {"rows", rows_as_json(table)}},
                  "cpu", std::nullopt);
}

}  // namespace nala::tools
