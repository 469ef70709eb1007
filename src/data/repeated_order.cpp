#include "data/repeated_order.h"

#include <torch/torch.h>

#include <algorithm>

namespace nala::data {

int64_t RepeatedOrder::positions() const {
  constexpr int64_t kMultiple = 256;
  const int64_t used = size < kMultiple ? size : size / kMultiple * kMultiple;
  return used / groups * groups;
}

std::vector<int64_t> RepeatedOrder::of_epoch(int64_t epoch) const {
  const at::Tensor shuffled =
      at::randperm(size, at::detail::createCPUGenerator(static_cast<uint64_t>(epoch)),
                   at::TensorOptions(at::kLong));  // (size)
  const auto* permutation = shuffled.const_data_ptr<int64_t>();
  const int64_t per_group = positions() / groups;
  std::vector<int64_t> order(static_cast<size_t>(positions()));
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t i = 0; i < per_group; ++i) {
      const int64_t entry = i * groups + group;  // of the repeated list
      const int64_t batch = i / group_size;
      // The last batch may be shorter, in all groups alike.
      const int64_t length = std::min(group_size, per_group - batch * group_size);
      const int64_t position = batch * group_size * groups + group * length + i % group_size;
      order[static_cast<size_t>(position)] = permutation[entry % (size * repeats) / repeats];
    }
  }
  return order;
}

}  // namespace nala::data
