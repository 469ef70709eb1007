// A stack of its own that can be switched to: one CUDA thread on the host.
#pragma once

#include <cstddef>

namespace shim {

class Fiber {
 public:
  using Entry = void (*)();

  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Makes the next switch to this fiber call `entry` on its own stack, which is mapped at the
  /// first call and ends in a page that faults. `stagger` moves the start, so that the fibers of a
  /// block do not all fall into the same cache sets. `entry` must not return.
  void prepare(Entry entry, size_t stagger);

  /// Makes this object stand for the stack it is called on.
  void adopt_current();

  /// Leaves this fiber, the running one, for `next`; returns when something switches back.
  void switch_to(Fiber& next);

  /// To be called first by an entry: completes the switch that came from `previous`.
  void arrived_from(Fiber& previous);

 private:
  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;
  size_t stack_bytes_ = 0;
  bool owned_ = false;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  void* tsan_fiber_ = nullptr;  // ThreadSanitizer's
};

}  // namespace shim
