// A confusion matrix as tables and a picture.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/metrics/confusion.h"

namespace nala::eval {

/// Writes into an existing folder: per_class.csv (index, name, iou, acc, dice in percent, pixels),
/// confusion.csv (pixels; truth by row, prediction by column), confusion.json (names and matrix)
/// and confusion.png (each row as shares of its sum). Throws Error(file).
void write_confusion(const Confusion& confusion,
                     const std::vector<std::string>& names,
                     const std::filesystem::path& folder);

}  // namespace nala::eval
