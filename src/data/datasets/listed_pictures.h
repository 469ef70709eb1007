// Picture files whose labels stand in a file of their own.
#pragma once

#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// The pictures that the file root/<split> lists: a line each, the path (relative to the root, or
/// absolute) and, after a tab or else the last space, the class: its name, or its number from 0.
/// Classes: data.class_list, else numbers up to the largest, else the sorted names of both splits'
/// files.
///
/// Throws Error(data | file) with file and line for what is not of that form.
std::shared_ptr<const Dataset> open_file_list(const DataConfig& config, Split split);

/// ImageNet (ILSVRC 2012): class folders as in image_folder, but validation may be the official
/// flat folder, its pictures in byte order labelled by the lines of data.val_labels: synsets
/// (n01440764), or the devkit's numbers from 1 with data.synset_map to tell their synsets. Classes:
/// data.class_list, else the training folder's, else those that val_labels names, sorted.
///
/// Throws Error(data | file | config) for a file that does not fit the folder.
std::shared_ptr<const Dataset> open_imagenet(const DataConfig& config, Split split);

}  // namespace nala::data
