// The pictures a `predict` command line names.
#pragma once

#include <string>
#include <vector>

namespace nala::tools {

/// Files as given, the pictures below folders (recursively, in byte order, told by their
/// extension), and for `-` the lines of standard input. Throws Error(usage) when nothing is named,
/// Error(data) when a folder holds no picture.
std::vector<std::string> expand_inputs(const std::vector<std::string>& operands);

}  // namespace nala::tools
