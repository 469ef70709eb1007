#include "shim/fiber.h"

#include <sys/mman.h>

#include <new>

#include "shim/sanitizers.h"

#if !defined(__x86_64__)
#error "the host shim switches stacks for x86-64 only; configure without tests/cuda_host elsewhere"
#endif

// Saves what a function must preserve on the old stack, takes it from the new one.
asm(R"(
.text
.type shim_switch_stack, @function
shim_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size shim_switch_stack, . - shim_switch_stack
)");
extern "C" void shim_switch_stack(void** save, void* next);

namespace shim {
namespace {

constexpr size_t kStackBytes = 256 * 1024;  // untouched pages cost nothing
constexpr size_t kGuardBytes = 4096;
constexpr int kSavedRegisters = 6;

}  // namespace

Fiber::~Fiber() {
  if (owned_) {
    SHIM_TSAN(__tsan_destroy_fiber(tsan_fiber_);)
    munmap(stack_ - kGuardBytes, stack_bytes_ + kGuardBytes);
  }
}

SHIM_UNSEEN void Fiber::prepare(Entry entry, size_t stagger) {
  if (stack_ == nullptr) {
    void* const mapped = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
      throw std::bad_alloc();
    }
    mprotect(mapped, kGuardBytes, PROT_NONE);
    stack_ = static_cast<char*>(mapped) + kGuardBytes;
    stack_bytes_ = kStackBytes;
    owned_ = true;
    SHIM_TSAN(tsan_fiber_ = __tsan_create_fiber(0);)
  }
  auto** top = reinterpret_cast<void**>(stack_ + stack_bytes_ - stagger % 32 * 192);
  *--top = nullptr;  // where a return address would be: keeps the alignment that a call gives
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) {
    *--top = nullptr;
  }
  stack_pointer_ = top;
}

SHIM_UNSEEN void Fiber::adopt_current() {
  SHIM_TSAN(tsan_fiber_ = __tsan_get_current_fiber();)
}

SHIM_UNSEEN void Fiber::switch_to(Fiber& next) {
  SHIM_ASAN(__sanitizer_start_switch_fiber(&fake_stack_, next.stack_, next.stack_bytes_);)
  SHIM_TSAN(__tsan_switch_to_fiber(next.tsan_fiber_, __tsan_switch_to_fiber_no_sync);)
  shim_switch_stack(&stack_pointer_, next.stack_pointer_);
  SHIM_ASAN(__sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);)
}

SHIM_UNSEEN void Fiber::arrived_from([[maybe_unused]] Fiber& previous) {
  SHIM_ASAN(const void* bottom = nullptr; size_t bytes = 0;
            __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
            previous.stack_ = static_cast<char*>(const_cast<void*>(bottom));
            previous.stack_bytes_ = bytes;)
}

}  // namespace shim
