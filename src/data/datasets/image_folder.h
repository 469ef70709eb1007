// Folders of class folders.
#pragma once

#include <filesystem>
#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// The pictures of root/<split>/<class>/**, as torchvision's ImageFolder numbers them: classes and
/// files in byte order of their names, pictures known by their extension (.jpg .jpeg .png .ppm .bmp
/// .pgm .tif .tiff .webp in any case), symbolic links followed. One difference: names that start
/// with a dot are passed over. When the other split is there too, its classes must be the same.
/// With data.class_list the labels are the list's instead, and a split may lack classes of it.
///
/// Throws Error(data) for a missing or empty folder, a class without pictures and differing
/// classes, saying where the data set may really begin.
std::shared_ptr<const Dataset> open_image_folder(const DataConfig& config, Split split);

/// The same of the demo digits: `data.root` defaults to datasets/digits, and a missing folder says
/// how to make it.
std::shared_ptr<const Dataset> open_digits(const DataConfig& config, Split split);

}  // namespace nala::data
