#include "data/sampler.h"

#include <algorithm>
#include <utility>

#include "core/rng.h"

namespace nala::data {

std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t size) {
  Rng rng(Stream::order, {seed, static_cast<uint64_t>(epoch)});
  return permutation(size, rng);
}

std::vector<int64_t> shard_order(uint64_t seed,
                                 int64_t epoch,
                                 const std::vector<int64_t>& runs,
                                 int64_t buffer) {
  Rng rng(Stream::order, {seed, static_cast<uint64_t>(epoch)});
  std::vector<int64_t> begins;
  int64_t size = 0;
  for (const int64_t length : runs) {
    begins.push_back(size);
    size += length;
  }
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(size));
  for (const int64_t run : permutation(std::ssize(runs), rng)) {
    const auto number = static_cast<size_t>(run);
    for (int64_t i = 0; i < runs[number]; ++i) {
      order.push_back(begins[number] + i);
    }
  }
  // The window begins at i and holds what was passed over before.
  for (int64_t i = 0; i < size; ++i) {
    const int64_t drawn = i + rng.integer(std::min(buffer, size - i));
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(drawn)]);
  }
  return order;
}

int64_t Partition::batches() const {
  const int64_t full = size / (batch_size * world);
  // The last, partial global batch reaches this rank if it goes beyond the ranks before it.
  const bool partial = size - full * batch_size * world > rank * batch_size;
  return drop_last || !partial ? full : full + 1;
}

Range Partition::positions(int64_t batch) const {
  const int64_t begin = (batch * world + rank) * batch_size;
  return {std::min(begin, size), std::min(begin + batch_size, size)};
}

}  // namespace nala::data
