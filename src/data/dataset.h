// Data sets: numbered pictures with labels, and the table of their kinds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/image.h"
#include "data/image_io.h"

namespace nala::data {

struct Sample {
  Image image;
  int64_t label = 0;
};

/// A fixed list of labelled pictures, the same on every machine for the same files. Immutable,
/// hence thread-safe. Indices run over 0 ... size() - 1.
class Dataset {
 public:
  virtual ~Dataset() = default;

  [[nodiscard]] virtual int64_t size() const = 0;
  /// Decodes one picture. Throws ImageError (data/image_io.h) naming the file.
  [[nodiscard]] virtual Sample load(int64_t index) const = 0;
  /// The chosen part of one picture (decode_part() in data/image_io.h); `choose` sees its size.
  [[nodiscard]] virtual DecodedPart load_part(int64_t index, const ChoosePart& choose) const;
  /// The file of a picture, or a description where there is none.
  [[nodiscard]] virtual std::string path(int64_t index) const = 0;
  /// In 0 ... classes().size() - 1.
  [[nodiscard]] virtual int64_t label(int64_t index) const = 0;
  /// Names by label; empty where the pictures have none.
  [[nodiscard]] virtual const std::vector<std::string>& classes() const = 0;
  /// Lengths of the runs of consecutive samples that lie together in one file and are best read in
  /// that order; empty: any order is as good.
  [[nodiscard]] virtual std::vector<int64_t> runs() const { return {}; }
};

/// A picture with what a network is to make of it.
struct PicturePair {
  Image image;   ///< segmentation: the picture; super-resolution: low resolution, or empty
  Image target;  ///< segmentation: labels, one channel; super-resolution: high resolution
};

/// A data set whose samples are pairs of pictures. Immutable, hence thread-safe.
class PairDataset : public Dataset {
 public:
  /// Decodes one pair. Throws ImageError naming the file.
  [[nodiscard]] virtual PicturePair load_pair(int64_t index) const = 0;
  /// No class belongs to a whole picture.
  [[nodiscard]] int64_t label(int64_t /*index*/) const override { return 0; }
};

/// Finds the pictures of one split of the configured data set, with data.only_classes,
/// data.limit and (training only) data.per_class and data.shuffle_labels applied. Decodes nothing.
/// Throws Error(data) with a hint for every layout that is not a data set: missing or empty
/// folders, a class without pictures, splits whose classes differ.
std::shared_ptr<const Dataset> build_dataset(const DataConfig& config, Split split);

}  // namespace nala::data
