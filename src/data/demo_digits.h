// The demo data: 5 000 handwritten digits out of OpenCV's documentation package.
#pragma once

#include <filesystem>

namespace nala::data {

/// Finds digits.png of Debian's opencv-doc: installed, else downloaded by `apt-get download` into
/// `work_folder` (made if missing) and taken out of the package. Returns the sheet's path. Throws
/// Error(data) saying which command failed and why.
std::filesystem::path fetch_digits_sheet(const std::filesystem::path& work_folder);

/// Cuts the sheet (2000 x 1000: 50 rows of 100 cells of 20 x 20, five rows per digit) into
/// output/{train,val}/<digit>/*.png; the last 10 cells of each row, 500 in all, are for validation.
/// The folder appears whole or not at all. Does nothing when it is already there and complete.
/// Throws Error(data) when the sheet is another picture or the folder holds something else.
void prepare_digits(const std::filesystem::path& sheet_png, const std::filesystem::path& output);

}  // namespace nala::data
