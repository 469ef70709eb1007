#include "shim/warp.h"

#include "shim/sanitizers.h"

namespace shim {
namespace {

constexpr unsigned kFull = 0xffffffffu;

void nothing(const Exchanged&) {}

}  // namespace

SHIM_UNSEEN unsigned lane_index() {
  return current_block()->current().index % kWarpSize;
}

SHIM_UNSEEN void meet(const Place& place,
                      unsigned mask,
                      void* brought,
                      void (*finish)(const Exchanged&)) {
  Block& block = *current_block();
  Thread& self = block.current();
  Thread* const warp = block.warp_of(self);
  if (mask != kFull) {
    block.fail(described(place) + ": the mask does not name all 32 lanes");
  }
  if (warp->index + kWarpSize > block.shape().threads) {
    block.fail(described(place) + ": the warp has fewer than 32 lanes");
  }
  self.exchanged = brought;
  ++self.meetings;
  Exchanged all{};
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const Thread& other = warp[lane];
    all[lane] = other.exchanged;
    if (&other == &self) {
      continue;
    }
    if (other.state == ThreadState::done) {
      block.fail(described(place) + ": lane " + std::to_string(lane) + " has left the kernel");
    }
    if (other.state != ThreadState::at_warp_barrier || !(other.place == place)) {
      return block.wait(ThreadState::at_warp_barrier, place);
    }
  }
  finish(all);
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    warp[lane].state = ThreadState::ready;
  }
}

SHIM_UNSEEN void finish_shuffle(const Exchanged& lanes) {
  for (void* const lane : lanes) {
    auto* const receiver = static_cast<Shuffled*>(lane);
    receiver->received = static_cast<Shuffled*>(lanes[receiver->source])->value;
  }
}

SHIM_UNSEEN void sync_warp(const Place& place, unsigned mask) {
  Thread& self = current_block()->current();
  [[maybe_unused]] const unsigned parity = (self.meetings + 1) % 2;
  SHIM_TSAN(__tsan_release(&self.sync_marks[parity]);)
  meet(place, mask, &self, nothing);
  SHIM_TSAN(Thread* const warp = current_block()->warp_of(self);
            for (unsigned lane = 0; lane < kWarpSize;
                 ++lane) { __tsan_acquire(&warp[lane].sync_marks[parity]); })
}

}  // namespace shim
