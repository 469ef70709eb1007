#include "input_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>

#include "core/error.h"

namespace nala::tools {
namespace {

namespace fs = std::filesystem;

bool looks_like_picture(const fs::path& path) {
  static constexpr std::array<std::string_view, 10> kExtensions{
      ".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm"};
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<std::string> pictures_below(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry :
       fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    if (entry.is_regular_file() && looks_like_picture(entry.path())) {
      files.push_back(entry.path().string());
    }
  }
  if (files.empty()) {
    throw Error(ErrorKind::data, folder.string() + ": no picture in this folder");
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<std::string> expand_inputs(const std::vector<std::string>& operands) {
  if (operands.empty()) {
    throw Error(ErrorKind::usage, "predict: name pictures, folders, or - for a list of files");
  }
  std::vector<std::string> files;
  for (const std::string& operand : operands) {
    if (operand == "-") {
      for (std::string line; std::getline(std::cin, line);) {
        if (!line.empty()) {
          files.push_back(line);
        }
      }
    } else if (fs::is_directory(operand)) {
      const auto found = pictures_below(operand);
      files.insert(files.end(), found.begin(), found.end());
    } else {
      files.push_back(operand);  // a missing one is reported when its turn comes
    }
  }
  return files;
}

}  // namespace nala::tools
