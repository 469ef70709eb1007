// The published numbers that come with the project (configs/published).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace nala::tools {

/// One row of a file: its values by the names of the columns.
using PublishedRow = std::map<std::string, std::string>;

/// The folder: `given`, or where that is empty configs/published of the working folder, of the
/// checkout the program was built in, or of the installation it belongs to. Throws Error(file)
/// naming the places.
std::filesystem::path published_folder(const std::string& given);

/// The rows of `<folder>/<name>.tsv`: tab-separated, the first line names the columns. Throws
/// Error(file) naming the line that has another number of values.
std::vector<PublishedRow> read_published(const std::filesystem::path& folder,
                                         const std::string& name);

}  // namespace nala::tools
