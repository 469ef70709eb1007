// Pictures in high resolution, with or without low-resolution ones of their own.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// Several sets one after the other. Under the root, a set S is one of
///   S/HR/*, with S/LR_bicubic/X<s>/<name>x<s>.png where there are low-resolution pictures (EDSR);
///   S_HR/*, with S_LR_bicubic/X<s>/<name>x<s>.png (DIV2K, Flickr2K: S = DIV2K_train);
///   S/*, high resolution alone.
///
/// Decoded pairs are kept, first come, up to `cache_mb` in all. Thread-safe.
class SuperResolutionSets : public PairDataset {
 public:
  struct Entry {
    std::string high;  ///< file
    std::string low;   ///< file; empty: to be made
    size_t set = 0;    ///< index into names()
  };
  SuperResolutionSets(std::vector<std::string> names,
                      std::vector<Entry> entries,
                      int64_t scale,
                      int64_t cache_mb);

  [[nodiscard]] int64_t size() const override { return std::ssize(entries_); }
  [[nodiscard]] Sample load(int64_t index) const override;
  /// The high-resolution picture cut to a multiple of the scale on the right and below, of one
  /// channel where its PNG has one; the low-resolution one, of three channels, empty where it is to
  /// be made. Throws ImageError, also for a pair whose sizes do not fit.
  [[nodiscard]] PicturePair load_pair(int64_t index) const override { return *pair(index); }
  /// The same without a copy.
  [[nodiscard]] std::shared_ptr<const PicturePair> pair(int64_t index) const;
  [[nodiscard]] std::string path(int64_t index) const override;
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_; }

  /// About the memory that all decoded pairs would take, in bytes, from a few of them; pictures
  /// that cannot be decoded do not count.
  [[nodiscard]] int64_t decoded_bytes() const;
  [[nodiscard]] int64_t cache_bytes() const { return cache_bytes_; }

  /// Of the sets, as configured.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// The set that a picture is of: an index into names().
  [[nodiscard]] size_t set_of(int64_t index) const;

 private:
  [[nodiscard]] PicturePair decode_pair(int64_t index) const;

  std::vector<std::string> names_;
  std::vector<Entry> entries_;
  std::vector<std::string> classes_;  // none
  int64_t scale_;
  int64_t cache_bytes_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const PicturePair>> cache_;
  mutable int64_t cached_bytes_ = 0;
};

/// The sets of a split, data.limit applied to each. Throws Error(data) for a set of none of the
/// layouts above, an empty one, and a low-resolution picture that is missing beside others.
std::shared_ptr<const Dataset> open_super_resolution(const DataConfig& config, Split split);

}  // namespace nala::data
