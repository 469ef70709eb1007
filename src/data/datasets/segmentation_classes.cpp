#include "data/datasets/segmentation_classes.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "core/error.h"
#include "data/datasets/class_list.h"

namespace nala::data {
namespace {

constexpr int64_t kMostClasses = 254;

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  size_t begin = 0;
  for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', begin)) {
    cells.push_back(line.substr(begin, tab - begin));
    begin = tab + 1;
  }
  cells.push_back(line.substr(begin));
  return cells;
}

// The table's rows by column name.
class Table {
 public:
  explicit Table(const std::filesystem::path& path) : path_(path.string()) {
    for (const std::string& line : read_lines(path)) {
      lines_.push_back(cells_of(line));
    }
    if (lines_.size() < 2) {
      throw Error(ErrorKind::data, path_ + ": expected a header line and a line per class");
    }
  }

  [[nodiscard]] size_t rows() const { return lines_.size() - 1; }
  [[nodiscard]] std::optional<size_t> column(const std::string& name) const {
    const auto found = std::find(lines_[0].begin(), lines_[0].end(), name);
    return found == lines_[0].end() ? std::nullopt
                                    : std::optional<size_t>(found - lines_[0].begin());
  }
  [[nodiscard]] const std::string& text(size_t row, size_t column) const {
    const auto& cells = lines_[row + 1];
    if (column >= cells.size()) {
      fail(row, "found " + std::to_string(cells.size()) + " columns, the header has " +
                    std::to_string(lines_[0].size()));
    }
    return cells[column];
  }
  [[nodiscard]] int64_t byte(size_t row, size_t column) const {
    const std::string& cell = text(row, column);
    int64_t value = -1;
    const auto end = cell.data() + cell.size();
    const auto result = std::from_chars(cell.data(), end, value);
    if (result.ec != std::errc() || result.ptr != end || value < 0 || value > 255) {
      fail(row, "'" + cell + "' in column " + lines_[0][column] + ", expected 0 to 255");
    }
    return value;
  }
  [[noreturn]] void fail(size_t row, const std::string& message) const {
    throw Error(ErrorKind::data,
                path_ + ": class line " + std::to_string(row + 1) + ": " + message);
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorKind::data, path_ + ": " + message);
  }

 private:
  std::string path_;
  std::vector<std::vector<std::string>> lines_;  // the header first
};

Rgb colour_in(const Table& table, size_t row, int64_t number) {
  Rgb colour = default_colour(number);
  const std::array<const char*, 3> names = {"r", "g", "b"};
  for (size_t i = 0; i < 3; ++i) {
    if (const auto column = table.column(names[i])) {
      colour[i] = static_cast<uint8_t>(table.byte(row, *column));
    }
  }
  return colour;
}

}  // namespace

SegmentationClasses SegmentationClasses::read(const std::filesystem::path& path,
                                              bool reduce_zero_label) {
  const Table table(path);
  const auto name = table.column("name");
  const auto own = table.column("label");
  const auto label = own ? own : table.column("ade_style_label");
  if (!name || !label) {
    table.fail("the first line has to name the columns, `label` (or `ade_style_label`) and `name`");
  }
  std::map<int64_t, size_t> row_of;  // by class
  for (size_t row = 0; row < table.rows(); ++row) {
    const int64_t number = table.byte(row, *label) - (reduce_zero_label ? 1 : 0);
    if (number >= 0 && !row_of.emplace(number, row).second) {
      table.fail(row, "label " + table.text(row, *label) + " is there twice");
    }
  }
  SegmentationClasses classes;
  for (const auto& [number, row] : row_of) {
    if (number != std::ssize(classes.names) || number >= kMostClasses) {
      table.fail(row, "label " + table.text(row, *label) + ", expected the labels " +
                          (reduce_zero_label ? "1, 2, 3" : "0, 1, 2") + " ... without a gap, at " +
                          "most " + std::to_string(kMostClasses) +
                          " classes (data.segmentation.reduce_zero_label says where they start)");
    }
    classes.names.push_back(table.text(row, *name));
    classes.colours.push_back(colour_in(table, row, number));
  }
  if (classes.names.empty()) {
    table.fail("no class in it");
  }
  return classes;
}

Rgb default_colour(int64_t number) {
  Rgb colour{};
  int64_t bits = number + 1;
  for (int shift = 7; shift >= 0; --shift, bits >>= 3) {
    for (size_t i = 0; i < 3; ++i) {
      colour[i] = static_cast<uint8_t>(colour[i] | ((bits >> i & 1) << shift));
    }
  }
  return colour;
}

std::vector<Rgb> colours_of(const std::vector<int64_t>& palette, int64_t classes) {
  std::vector<Rgb> colours;
  for (int64_t number = 0; number < classes; ++number) {
    Rgb& colour = colours.emplace_back(default_colour(number));
    for (size_t i = 0; 3 * number + 2 < std::ssize(palette) && i < 3; ++i) {
      colour[i] = static_cast<uint8_t>(palette[static_cast<size_t>(3 * number) + i]);
    }
  }
  return colours;
}

}  // namespace nala::data
