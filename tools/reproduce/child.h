// Other commands of this program, run as processes of their own.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace nala::tools {

/// Runs this program with these words (the first is the command), waits, and returns its exit
/// status, 128 + signal where one ended it. What it prints on standard output is dropped, errors
/// pass; it ends with this process. Throws Error(file) when the system refuses a process.
int run_child(const std::vector<std::string>& words);

/// The same of a command that takes --json: its object. Throws Error(data) naming the command when
/// it fails; its own error line stands above.
nlohmann::json json_of_child(std::vector<std::string> words);

}  // namespace nala::tools
