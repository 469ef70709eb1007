// The classes of a segmentation set: names and colours.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace nala::data {

using Rgb = std::array<uint8_t, 3>;

struct SegmentationClasses {
  std::vector<std::string> names;  ///< by class
  std::vector<Rgb> colours;        ///< by class; where a list has none, default_colour()

  /// Reads a table with a header line and tabs between its columns, any order, others passed over:
  /// `name`; `label` or `ade_style_label`, the value that label maps store; `r`, `g`, `b`, 0 ...
  /// 255 (may be missing). With `reduce_zero_label` class k is the row of label k + 1 and a row of
  /// label 0 is passed over, else class k is label k. Throws Error(data) naming file and line, also
  /// where labels are missing or there twice, and for more than 254 classes.
  static SegmentationClasses read(const std::filesystem::path& path, bool reduce_zero_label);
};

/// The colour of a class in the PASCAL VOC devkit's map: the bits of the number spread over the
/// high bits of red, green and blue; class 0 has the devkit's colour 1.
Rgb default_colour(int64_t number);

/// data.segmentation.palette as colours, one per class; default_colour() beyond its end.
std::vector<Rgb> colours_of(const std::vector<int64_t>& palette, int64_t classes);

}  // namespace nala::data
