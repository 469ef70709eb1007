#include "data/sampler.h"

#include <algorithm>

#include "core/rng.h"

namespace nala::data {

std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t size) {
  Rng rng(Stream::order, {seed, static_cast<uint64_t>(epoch)});
  return permutation(size, rng);
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
