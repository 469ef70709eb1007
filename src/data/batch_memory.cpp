#include "data/batch_memory.h"

#include <torch/torch.h>

#include <algorithm>

namespace nala::data {
namespace {

bool unused(const at::Tensor& tensor) {
  return !tensor.defined() || (tensor.use_count() == 1 && tensor.storage().use_count() == 1);
}

bool unused(const BatchTensors& batch) {
  return unused(batch.images) && unused(batch.targets);
}

std::vector<int64_t> with_count(int64_t count, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return sizes;
}

BatchTensors allocate(const SampleShape& shape, int64_t count) {
  BatchTensors made{at::empty(with_count(count, shape.image)), {}};  // (B, H, W, C)
  if (!shape.target.empty()) {
    made.targets = at::empty(with_count(count, shape.target), shape.target_type);  // (B, ...)
  }
  return made;
}

}  // namespace

BatchTensors BatchMemory::take(const SampleShape& shape, int64_t count) {
  const std::vector<int64_t> sizes = with_count(count, shape.image);
  for (const BatchTensors& batch : known_) {
    if (batch.images.sizes() == sizes && unused(batch)) {
      return batch;
    }
  }
  BatchTensors made = allocate(shape, count);
  known_.push_back(made);
  while (std::ssize(known_) > most_) {
    const auto spare = std::find_if(known_.begin(), known_.end(),
                                    [](const BatchTensors& batch) { return unused(batch); });
    if (spare == known_.end()) {
      break;  // all of them are out: no memory is kept
    }
    known_.erase(spare);
  }
  return made;
}

}  // namespace nala::data
