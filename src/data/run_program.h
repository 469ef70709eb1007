// Running another program without a shell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace nala::data {

/// Runs arguments[0] (found on PATH) with the arguments as they are, in `folder`, and returns its
/// standard output, which goes through a file there. Throws Error(data) when it cannot be started
/// or fails, with the last line it wrote to standard error.
std::string run_program(const std::vector<std::string>& arguments,
                        const std::filesystem::path& folder);

/// The same; standard output goes to the file `output` instead.
void run_program_into(const std::vector<std::string>& arguments,
                      const std::filesystem::path& folder,
                      const std::filesystem::path& output);

}  // namespace nala::data
