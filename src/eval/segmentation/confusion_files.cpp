#include "eval/segmentation/confusion_files.h"

#include <torch/torch.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/number_text.h"
#include "data/image_io.h"
#include "data/label_drawing.h"

namespace nala::eval {
namespace {

using Matrix = std::vector<std::vector<int64_t>>;

Matrix rows_of(const at::Tensor& matrix) {
  Matrix rows;
  for (int64_t row = 0; row < matrix.size(0); ++row) {
    const int64_t* values = matrix[row].const_data_ptr<int64_t>();
    rows.emplace_back(values, values + matrix.size(1));
  }
  return rows;
}

// A cell of a table of commas (RFC 4180).
std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) {
    return text;
  }
  std::string out = "\"";
  for (const char letter : text) {
    out.append(letter == '"' ? 2 : 1, letter);
  }
  return out + "\"";
}

std::string percent_text(double value) {
  return std::isnan(value) ? "" : fixed(value, 2);
}

// Cells and commas, then the end of the line.
std::string line_of(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    line.append(line.empty() ? "" : ",").append(cell);
  }
  return line.append("\n");
}

std::string per_class_table(const Confusion& confusion, const std::vector<std::string>& names) {
  const at::Tensor pixels = confusion.matrix().sum(1);  // (K)
  std::string text = "index,name,iou,acc,dice,pixels\n";
  const auto scores = confusion.per_class();
  for (size_t i = 0; i < scores.size(); ++i) {
    text += line_of({std::to_string(i), quoted(names.at(i)), percent_text(scores[i].iou),
                     percent_text(scores[i].acc), percent_text(scores[i].dice),
                     std::to_string(pixels[static_cast<int64_t>(i)].item<int64_t>())});
  }
  return text;
}

std::string matrix_table(const Matrix& rows, const std::vector<std::string>& names) {
  std::vector<std::string> cells{"truth"};
  for (const std::string& name : names) {
    cells.push_back(quoted(name));
  }
  std::string text = line_of(cells);
  for (size_t row = 0; row < rows.size(); ++row) {
    cells = {quoted(names.at(row))};
    for (const int64_t value : rows[row]) {
      cells.push_back(std::to_string(value));
    }
    text += line_of(cells);
  }
  return text;
}

std::vector<std::vector<double>> shares_of(const Matrix& rows) {
  std::vector<std::vector<double>> shares;
  for (const auto& row : rows) {
    int64_t sum = 0;
    for (const int64_t value : row) {
      sum += value;
    }
    auto& own = shares.emplace_back();
    for (const int64_t value : row) {
      own.push_back(sum > 0 ? static_cast<double>(value) / static_cast<double>(sum) : 0);
    }
  }
  return shares;
}

}  // namespace

void write_confusion(const Confusion& confusion,
                     const std::vector<std::string>& names,
                     const std::filesystem::path& folder) {
  const Matrix rows = rows_of(confusion.matrix());
  write_file(folder / "per_class.csv", per_class_table(confusion, names));
  write_file(folder / "confusion.csv", matrix_table(rows, names));
  write_file(folder / "confusion.json",
             nlohmann::ordered_json{{"classes", names}, {"matrix", rows}}.dump() + "\n");
  data::write_png(folder / "confusion.png", data::heat_map(shares_of(rows), names));
}

}  // namespace nala::eval
