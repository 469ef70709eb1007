#include <cstdio>
#include <nlohmann/json.hpp>

#include "command_line.h"
#include "commands.h"
#include "core/error.h"
#include "models/config.h"

namespace nala::tools {
namespace {

void print_keys(const std::string& only) {
  std::string section;
  for (const config::KeyDescription& key : config::describe<train::Recipe>()) {
    if (!key.key.starts_with(only)) {
      continue;
    }
    const std::string head = key.key.substr(0, key.key.find('.'));
    if (head != section && key.key.find('.') != std::string::npos) {
      std::printf("\n");
    }
    section = head;
    std::printf("%s = %s\n    %s (%s)\n", key.key.c_str(), key.initial.c_str(), key.help.c_str(),
                key.type.c_str());
  }
}

}  // namespace

int run_config(int argc, char** argv) {
  const CommandLine line(
      {.name = "config",
       .operands = "print|check|help [CONFIG] [key=value ...]",
       .summary = "print: the resolved configuration. check: read it strictly, print nothing.\n"
                  "help [PREFIX]: every key with its default, meaning and type.",
       .example = "nalaformer config print configs/demo/digits.yaml train.epochs=5"},
      [](cxxopts::OptionAdder&) {}, argc, argv);
  if (line.help_shown()) {
    return 0;
  }
  const std::string action = line.operands().empty() ? "" : line.operands().front();
  if (action == "help" && line.operands().size() <= 2) {
    print_keys(line.operands().size() == 2 ? line.operands()[1] : "");
    return 0;
  }
  if ((action != "print" && action != "check") || line.operands().size() > 2) {
    throw Error(ErrorKind::usage, "config: expected print, check or help and at most one file");
  }
  const train::Recipe recipe = line.recipe(
      line.operands().size() == 2 ? std::optional<std::filesystem::path>(line.operands()[1])
                                  : std::nullopt);
  models::resolve(recipe.model);
  if (action == "print") {
    std::fputs(config::to_yaml(config::write(recipe)).c_str(), stdout);
  }
  line.write_json(nlohmann::ordered_json::object(), "cpu", recipe);
  return 0;
}

}  // namespace nala::tools
