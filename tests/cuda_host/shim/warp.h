// Operations of a whole warp on the host: the last lane to arrive does the work for all.
//
// Masks must name all 32 lanes, and all lanes must meet at the same line: what kernels here keep
// to.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "shim/block.h"

namespace shim {

/// What the lanes brought, by lane.
using Exchanged = std::array<void*, kWarpSize>;

/// Meets the other lanes of the running thread's warp; the last to arrive calls `finish` with what
/// all brought. Throws Error when a lane has left, is missing, waits elsewhere, or `mask` is not
/// full.
void meet(const Place& place, unsigned mask, void* brought, void (*finish)(const Exchanged&));

struct Shuffled {
  uint64_t value;
  uint64_t received;
  unsigned source;
};
void finish_shuffle(const Exchanged& lanes);
unsigned lane_index();

template <class T>
T shuffle(const Place& place, unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= sizeof(uint64_t) && std::is_trivially_copyable_v<T>);
  Shuffled exchange{0, 0, source};
  std::memcpy(&exchange.value, &value, sizeof(T));
  meet(place, mask, &exchange, finish_shuffle);
  std::memcpy(&value, &exchange.received, sizeof(T));
  return value;
}

/// __syncwarp(): orders the memory accesses of the warp's lanes. A shuffle does not.
void sync_warp(const Place& place, unsigned mask);

}  // namespace shim
