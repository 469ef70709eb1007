// Pictures with label maps in the layout of ADE20K's SceneParse150.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"
#include "data/datasets/segmentation_classes.h"

namespace nala::data {

/// `images/<split>/` and `annotations/<split>/` below the root, at any depth, paired by path
/// without extension; labels are PNG. Thread-safe.
class LabelledPictures : public PairDataset {
 public:
  struct Entry {
    std::string image, labels;  ///< files
  };
  LabelledPictures(std::vector<Entry> entries,
                   SegmentationClasses classes,
                   bool reduce_zero_label,
                   std::string class_source);

  [[nodiscard]] int64_t size() const override { return std::ssize(entries_); }
  /// The picture alone.
  [[nodiscard]] Sample load(int64_t index) const override;
  /// The picture and its labels: 0 ... classes - 1, or kIgnoredLabel. Throws ImageError, also where
  /// the sizes differ, and Error(data) for a label that is none of the classes.
  [[nodiscard]] PicturePair load_pair(int64_t index) const override;
  [[nodiscard]] std::string path(int64_t index) const override;
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_.names; }

  [[nodiscard]] const std::vector<Rgb>& colours() const { return classes_.colours; }

 private:
  void number_classes(Image& labels, const std::string& path) const;

  std::vector<Entry> entries_;
  SegmentationClasses classes_;
  bool reduce_zero_label_;
  std::string class_source_;
};

/// The set of a split, data.limit applied. data.train and data.val name the folders below `images`
/// and `annotations`; where the defaults `train` and `val` are not there, `training` and
/// `validation` are taken. Classes come from data.class_list, else from `classes.tsv` in the root.
/// Throws Error(data) for missing or empty folders and pictures without labels.
std::shared_ptr<const Dataset> open_ade20k(const DataConfig& config, Split split);

/// Writes the set's colours into data.segmentation.palette, so that they travel with the
/// configuration; leaves other data sets, and a palette that is given, alone.
void keep_palette(const Dataset& dataset, DataConfig& config);

}  // namespace nala::data
