// Label maps for people to look at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/datasets/segmentation_classes.h"
#include "data/image.h"

namespace nala::data {

/// RGB of a label map; labels without a colour are black.
Image colour_labels(const Image& labels, const std::vector<Rgb>& colours);

/// A class in a label map.
struct ClassPixels {
  size_t index = 0;
  int64_t pixels = 0;
};

/// The classes below `classes` that are in the map, the most frequent first, of equal ones the
/// lower index.
std::vector<ClassPixels> classes_in(const Image& labels, size_t classes);

/// The mean of two pictures of one size, `share` of the second.
Image blend(const Image& below, const Image& above, double share);

/// The picture with, on a strip to its right, colour and name of every class that is in `labels`,
/// the most frequent first, as many as fit.
Image with_legend(const Image& image,
                  const Image& labels,
                  const std::vector<std::string>& names,
                  const std::vector<Rgb>& colours);

/// A table of `cells` in 0 ... 1 (rows of equal length), white to blue, names beside the rows and,
/// turned, above the columns where there are at most 40 of them.
Image heat_map(const std::vector<std::vector<double>>& cells,
               const std::vector<std::string>& names);

}  // namespace nala::data
