// The order of the samples of an epoch, and which rank takes which.
#pragma once

#include <cstdint>
#include <vector>

namespace nala::data {

/// Order of one training epoch, a uniform permutation: entry p is the sample at global position p.
/// A pure function of its arguments, so that ranks, workers and resumed runs agree.
std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t size);

/// The same for samples that lie together in runs (shards): the runs in a random order, and out of
/// a window of `buffer` samples of that sequence the next one drawn at random, so that files are
/// read nearly in their order. `runs` are the runs' lengths.
std::vector<int64_t> shard_order(uint64_t seed,
                                 int64_t epoch,
                                 const std::vector<int64_t>& runs,
                                 int64_t buffer);

/// Positions [begin, end) of an epoch.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  [[nodiscard]] int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// Cuts an epoch into global batches of batch_size * world consecutive positions, of which rank r
/// takes the r-th run of batch_size: the same global batch holds the same positions in the same
/// order on any number of ranks.
struct Partition {
  int64_t size = 0;        ///< samples in the epoch
  int64_t batch_size = 1;  ///< per rank
  int64_t rank = 0;
  int64_t world = 1;
  bool drop_last = true;  ///< leave out the last global batch when it is not full

  /// Batches of this rank: equal on all ranks with drop_last; else the last global batch may give
  /// some ranks fewer samples, or none.
  [[nodiscard]] int64_t batches() const;
  /// Positions of this rank's batch number `batch`, 0 <= batch < batches().
  [[nodiscard]] Range positions(int64_t batch) const;
};

}  // namespace nala::data
