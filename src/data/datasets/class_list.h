// Which classes a data set has, and the files that say so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace nala::data {

/// Classes in the order of their labels.
class ClassList {
 public:
  ClassList() = default;
  /// Of these folder names, shown as they are.
  explicit ClassList(std::vector<std::string> names);
  /// Of a file: a class per line, the folder's name, then after a tab the name to show (may be
  /// missing); empty lines and lines that start with # are passed over. Throws Error(data) for an
  /// empty list and a name given twice.
  static ClassList read(const std::filesystem::path& path);

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(names_.size()); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// What to call the classes: `folder name to show` where the two differ.
  [[nodiscard]] const std::vector<std::string>& shown() const { return shown_; }
  /// The label of a folder name, or -1.
  [[nodiscard]] int64_t label(const std::string& name) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::string> shown_;
  std::unordered_map<std::string, int64_t> labels_;
};

/// The lines of a text file without line ends, blank lines left out. Throws Error(file).
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace nala::data
