#include "ops/cpu/chunks.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

namespace nala::ops::cpu {
namespace {

constexpr int64_t kFewestTokens = 512;
constexpr int64_t kMostChunks = 32;  // their states are kept at once
constexpr int64_t kMultiple = 64;
constexpr std::align_val_t kAlignment{64};

struct AlignedDelete {
  void operator()(float* p) const { ::operator delete[](p, kAlignment); }
};

std::unique_ptr<float[], AlignedDelete> aligned(size_t floats) {
  return std::unique_ptr<float[], AlignedDelete>(new (kAlignment) float[floats]);
}

int64_t ratio_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

Chunks::Chunks(int64_t n)
    : tokens(ratio_up(std::max(kFewestTokens, ratio_up(n, kMostChunks)), kMultiple) * kMultiple),
      sequence_tokens(n) {
  count = ratio_up(n, tokens);
}

Range Chunks::operator[](int64_t chunk) const {
  return {chunk * tokens, std::min(sequence_tokens, (chunk + 1) * tokens)};
}

void for_each_item(int64_t items,
                   size_t floats,
                   const std::function<void(int64_t item, float* scratch)>& work) {
  std::atomic<int64_t> next{0};
  const int64_t threads = std::min<int64_t>(items, at::get_num_threads());
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    const auto scratch = aligned(floats);
    for (int64_t item = next++; item < items; item = next++) {
      work(item, scratch.get());
    }
  });
}

}  // namespace nala::ops::cpu
