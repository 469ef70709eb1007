// Where a table goes: standard output, and the files of --output and --json.
#pragma once

#include <string>

#include "command_line.h"
#include "report/table.h"

namespace nala::tools {

/// What the numbers were measured on: processor, cores, version.
std::string machine_text();

/// Prints the table as Markdown; with --output writes <name>.md, .csv and .html into that folder;
/// with --json one object whose `rows` are keyed by the columns' names.
void publish(const CommandLine& line, const std::string& name, const report::Table& table);

}  // namespace nala::tools
