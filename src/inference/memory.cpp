#include "inference/memory.h"

#include <c10/core/CPUAllocator.h>

#include <algorithm>

#include "ops/cpu/chunks.h"

namespace nala::inference {

std::byte* Buffer::reserve(size_t bytes) {
  if (bytes > size_) {
    memory_.clear();
    size_ = 0;
    memory_ = c10::GetCPUAllocator()->allocate(bytes);
    size_ = bytes;
  }
  return static_cast<std::byte*>(memory_.get());
}

void Team::each(int64_t items, int64_t floats, const Work& work) {
  if (together_ && items > 1) {
    ops::cpu::for_each_item(items, static_cast<size_t>(floats), work);
    return;
  }
  float* const scratch = scratch_.floats(floats);
  for (int64_t item = 0; item < items; ++item) {
    work(item, scratch);
  }
}

Cut::Cut(int64_t total_, int64_t wanted)
    : total(total_), count(std::max<int64_t>(1, total_ / std::max<int64_t>(1, wanted))) {}

}  // namespace nala::inference
