// How a sequence is cut into chunks, and how threads take turns at them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "ops/cpu/kernels.h"
#include "ops/export.h"

namespace nala::ops::cpu {

/// `count` chunks of `tokens` tokens each, the last one shorter: a function of N alone.
struct Chunks {
  explicit Chunks(int64_t sequence_tokens);
  Range operator[](int64_t chunk) const;

  int64_t count, tokens, sequence_tokens;
};

/// Calls work(i, scratch) for i in 0 ... items - 1 from LibTorch's threads, each with `floats`
/// floats of its own, aligned to 64 bytes. Threads take the next item as they come free. Rethrows.
NALA_OPS_API void for_each_item(int64_t items,
                                size_t floats,
                                const std::function<void(int64_t item, float* scratch)>& work);

}  // namespace nala::ops::cpu
