#include "reproduce/published.h"

#include <sstream>

#include "core/error.h"
#include "core/files.h"

namespace nala::tools {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestTable = uint64_t{1} << 20;

std::vector<std::string> values_of_line(const std::string& line) {
  std::vector<std::string> values;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = line.find('\t', begin);
    values.push_back(line.substr(begin, end - begin));
  }
  return values;
}

}  // namespace

fs::path published_folder(const std::string& given) {
  if (!given.empty()) {
    return given;
  }
  std::error_code code;
  const fs::path program = fs::read_symlink("/proc/self/exe", code).parent_path();
  const fs::path below = fs::path("configs") / "published";
  std::string places;
  for (const fs::path& place : {below, (program / "../.." / below).lexically_normal(),
                                (program / "../share/nalaformer" / below).lexically_normal()}) {
    if (fs::is_directory(place, code)) {
      return place;
    }
    places += (places.empty() ? "" : ", ") + place.string();
  }
  throw Error(ErrorKind::file,
              "--published: the published numbers are in none of " + places + "; name the folder");
}

std::vector<PublishedRow> read_published(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / (name + ".tsv");
  std::istringstream lines(read_file(path, kLargestTable));
  std::vector<std::string> columns;
  std::vector<PublishedRow> rows;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::vector<std::string> values = values_of_line(line);
    if (number == 1) {
      columns = values;
      continue;
    }
    if (values.size() != columns.size()) {
      throw Error(ErrorKind::file, path.string() + ":" + std::to_string(number) + ": " +
                                       std::to_string(values.size()) + " values, expected " +
                                       std::to_string(columns.size()));
    }
    PublishedRow& row = rows.emplace_back();
    for (size_t i = 0; i < columns.size(); ++i) {
      row[columns[i]] = values[i];
    }
  }
  return rows;
}

}  // namespace nala::tools
