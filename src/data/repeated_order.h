// Repeated augmentation (Hoffer et al. 2020; Berman et al. 2019) as DeiT samples it.
#pragma once

#include <cstdint>
#include <vector>

namespace nala::data {

/// Several copies of a picture, each augmented on its own, in one epoch of the usual length.
///
/// The order is what DeiT's RASampler deals out to `groups` processes of `group_size` pictures each
/// (deit/samplers.py): torch.randperm seeded by the epoch alone, each index `repeats` times in a
/// row, padded from the front, dealt out in turn. Here a group is data.mix_group pictures of the
/// global batch, so that any number of processes can stand for the authors' eight.
struct RepeatedOrder {
  int64_t size = 0;        ///< pictures in the data set
  int64_t repeats = 3;     ///< copies in a row
  int64_t group_size = 1;  ///< pictures of a group in one batch
  int64_t groups = 1;      ///< in the global batch

  /// Positions of an epoch, over all groups: floor(floor(size / 256) * 256 / groups) per group; of
  /// sets below 256 pictures floor(size / groups).
  [[nodiscard]] int64_t positions() const;

  /// The sample at every position: a global batch is the groups one after the other.
  [[nodiscard]] std::vector<int64_t> of_epoch(int64_t epoch) const;
};

}  // namespace nala::data
