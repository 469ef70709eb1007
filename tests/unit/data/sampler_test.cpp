#include "data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nala::data {
namespace {

TEST(Sampler, OrderIsAPermutationOfItsKeyAlone) {
  const std::vector<int64_t> order = epoch_order(3, 5, 1000);
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
  }
  EXPECT_EQ(order, epoch_order(3, 5, 1000));
  EXPECT_NE(order, epoch_order(3, 6, 1000));
  EXPECT_NE(order, epoch_order(4, 5, 1000));
  EXPECT_NE(order, sorted);
}

// All positions, in the order of the global batches and, within one, of the ranks.
std::vector<int64_t> all_positions(int64_t size, int64_t global_batch, int64_t world, bool drop) {
  std::vector<int64_t> all;
  for (int64_t batch = 0; batch * global_batch < size; ++batch) {
    for (int64_t rank = 0; rank < world; ++rank) {
      const Partition partition{size, global_batch / world, rank, world, drop};
      if (batch < partition.batches()) {
        const Range range = partition.positions(batch);
        for (int64_t p = range.begin; p < range.end; ++p) {
          all.push_back(p);
        }
      }
    }
  }
  return all;
}

TEST(Sampler, RanksTogetherVisitEachPositionOnceInOrder) {
  for (const int64_t world : {1, 2, 4}) {
    for (const int64_t size : {1, 7, 8, 9, 63, 64, 65, 100}) {
      std::vector<int64_t> expected(static_cast<size_t>(size));
      for (int64_t i = 0; i < size; ++i) {
        expected[static_cast<size_t>(i)] = i;
      }
      EXPECT_EQ(all_positions(size, 8, world, false), expected) << size << " on " << world;
      expected.resize(static_cast<size_t>(size / 8 * 8));
      EXPECT_EQ(all_positions(size, 8, world, true), expected) << size << " on " << world;
    }
  }
}

TEST(Sampler, NoBatchIsEmpty) {
  for (int64_t rank = 0; rank < 4; ++rank) {
    const Partition partition{21, 2, rank, 4, false};  // 2 full global batches and 5 positions
    EXPECT_EQ(partition.batches(), rank < 3 ? 3 : 2);
    for (int64_t batch = 0; batch < partition.batches(); ++batch) {
      EXPECT_GE(partition.positions(batch).size(), 1);
    }
  }
}

}  // namespace
}  // namespace nala::data
