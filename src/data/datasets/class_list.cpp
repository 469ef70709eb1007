#include "data/datasets/class_list.h"

#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/files.h"

namespace nala::data {

ClassList::ClassList(std::vector<std::string> names) : names_(std::move(names)), shown_(names_) {
  for (const std::string& name : names_) {
    labels_.emplace(name, std::ssize(labels_));
  }
}

ClassList ClassList::read(const std::filesystem::path& path) {
  ClassList list;
  for (const std::string& line : read_lines(path)) {
    if (line.starts_with('#')) {
      continue;
    }
    const size_t tab = line.find('\t');
    const std::string name = line.substr(0, tab);
    if (!list.labels_.emplace(name, list.size()).second) {
      throw Error(ErrorKind::data, path.string() + ": class '" + name + "' is there twice");
    }
    list.names_.push_back(name);
    list.shown_.push_back(tab == std::string::npos ? name : name + " " + line.substr(tab + 1));
  }
  if (list.names_.empty()) {
    throw Error(ErrorKind::data, path.string() + ": names no class; expected one per line");
  }
  return list;
}

int64_t ClassList::label(const std::string& name) const {
  const auto found = labels_.find(name);
  return found == labels_.end() ? -1 : found->second;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::istringstream text(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) {
      line.pop_back();
    }
    if (!line.empty()) {
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace nala::data
