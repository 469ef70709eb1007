#include "shim/block.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "shim/sanitizers.h"

namespace shim {
namespace {

constexpr size_t kGuard = 256;  // bytes before and after the shared memory
constexpr char kGuardByte = 0x5a;
constexpr size_t kAlignment = 128;

std::string range_text(unsigned first, unsigned last) {
  return "threads " + std::to_string(first) + "-" + std::to_string(last) + " ";
}

}  // namespace

SHIM_UNSEEN bool Place::operator==(const Place& other) const {
  return line == other.line && std::strcmp(file, other.file) == 0 &&
         std::strcmp(what, other.what) == 0;
}

std::string described(const Place& place) {
  return std::string(place.what) + ", " + place.file + ":" + std::to_string(place.line);
}

Block*& current_block() {
  static thread_local Block* block = nullptr;
  return block;
}

void Block::fail(const std::string& why) const {
  throw Error("block " + std::to_string(index_) + " thread " + std::to_string(current_->index) +
              ": " + why);
}

SHIM_UNSEEN void Block::enter_thread() {
  Block& block = *current_block();
  Thread& thread = *block.current_;
  thread.fiber.arrived_from(block.scheduler_);
  SHIM_TSAN(__tsan_acquire(&block.start_mark_);)
  try {
    block.body_(block.arguments_);
  } catch (...) {
    block.thrown_ = std::current_exception();
  }
  thread.state = ThreadState::done;
  --block.left_;
  SHIM_TSAN(__tsan_release(&block.end_mark_);)
  thread.fiber.switch_to(block.scheduler_);
}

SHIM_UNSEEN void Block::prepare_threads(Body body, void* arguments) {
  body_ = body;
  arguments_ = arguments;
  left_ = shape_.threads;
  thrown_ = nullptr;
  for (unsigned i = 0; i < shape_.threads; ++i) {
    Thread& thread = threads_[i];
    thread.index = i;
    thread.state = ThreadState::ready;
    thread.place = {};
    thread.fiber.prepare(&Block::enter_thread, i);
  }
}

SHIM_UNSEEN void Block::prepare_shared_memory(size_t limit) {
  if (memory_.empty()) {
    memory_.resize(limit + 2 * kGuard + kAlignment);
  }
  SHIM_ASAN(ASAN_UNPOISON_MEMORY_REGION(memory_.data(), memory_.size());)
  const auto base = reinterpret_cast<uintptr_t>(memory_.data()) + kGuard;
  shared_ = memory_.data() + kGuard + (kAlignment - base % kAlignment) % kAlignment;
  shared_bytes_ = shape_.shared_bytes;
  // Written through volatile: ThreadSanitizer would see a call of memset.
  volatile char* const bytes = shared_;
  for (size_t i = 0; i < shared_bytes_; ++i) {
    bytes[i] = static_cast<char>(0xff);  // as floats: NaN
  }
  volatile char* const before = shared_ - kGuard;
  volatile char* const after = shared_ + shared_bytes_;
  for (size_t i = 0; i < kGuard; ++i) {
    before[i] = kGuardByte;
    after[i] = kGuardByte;
  }
  SHIM_ASAN(ASAN_POISON_MEMORY_REGION(shared_ - kGuard, kGuard);
            ASAN_POISON_MEMORY_REGION(shared_ + shared_bytes_, kGuard);)
}

SHIM_UNSEEN void Block::check_guards([[maybe_unused]] const char* when) const {
#if !defined(__SANITIZE_ADDRESS__)  // there the bands are poisoned, and the access is reported
  for (size_t i = 0; i < kGuard; ++i) {
    if (shared_[static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(kGuard)] !=
            kGuardByte ||
        shared_[shared_bytes_ + i] != kGuardByte) {
      throw Error("block " + std::to_string(index_) + ": store outside " +
                  std::to_string(shared_bytes_) + " bytes of shared memory, seen at " + when);
    }
  }
#endif
}

SHIM_UNSEEN void* Block::shared_memory(size_t bytes) {
  if (bytes > shared_bytes_) {
    fail("uses " + std::to_string(bytes) + " bytes of shared memory, launched with " +
         std::to_string(shared_bytes_));
  }
  return shared_;
}

SHIM_UNSEEN void Block::wait(ThreadState state, const Place& place) {
  Thread& thread = *current_;
  thread.state = state;
  thread.place = place;
  thread.fiber.switch_to(scheduler_);
}

SHIM_UNSEEN void Block::barrier(const Place& place) {
  SHIM_TSAN(char* const mark = &barrier_marks_[barriers_ % 2]; __tsan_release(mark);)
  wait(ThreadState::at_block_barrier, place);
  SHIM_TSAN(__tsan_acquire(mark);)
}

std::vector<unsigned> Block::shuffled(unsigned count, unsigned order) const {
  std::vector<unsigned> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  if (order == 1) {
    std::reverse(indices.begin(), indices.end());
  } else if (order > 1) {
    std::mt19937 generator(order + 7919 * index_);
    std::shuffle(indices.begin(), indices.end(), generator);
  }
  return indices;
}

SHIM_UNSEEN bool Block::run_warp(unsigned first, const std::vector<unsigned>& lanes) {
  bool moved = false;
  for (bool again = true; again;) {
    again = false;
    for (const unsigned lane : lanes) {
      Thread& thread = threads_[first + lane];
      if (first + lane >= shape_.threads || thread.state != ThreadState::ready) {
        continue;
      }
      again = moved = true;
      current_ = &thread;
      scheduler_.switch_to(thread.fiber);
      if (thrown_) {
        std::rethrow_exception(thrown_);
      }
    }
  }
  return moved;
}

std::string Block::who_waits_where() const {
  std::string text = "block " + std::to_string(index_) + ": deadlock or divergent barrier:";
  for (unsigned first = 0; first < shape_.threads;) {
    const Thread& thread = threads_[first];
    unsigned next = first + 1;
    while (next < shape_.threads && threads_[next].state == thread.state &&
           threads_[next].place == thread.place) {
      ++next;
    }
    const bool done = thread.state == ThreadState::done;
    text += " " + range_text(first, next - 1);
    text += (done ? "have left the kernel" : "wait at " + described(thread.place)) + ";";
    first = next;
  }
  return text;
}

SHIM_UNSEEN void Block::release_barrier() {
  for (unsigned i = 0; i < shape_.threads; ++i) {
    const Thread& thread = threads_[i];
    if (thread.state != ThreadState::at_block_barrier || !(thread.place == threads_[0].place)) {
      throw Error(who_waits_where());
    }
  }
  check_guards("a barrier");
  ++barriers_;
  for (unsigned i = 0; i < shape_.threads; ++i) {
    threads_[i].state = ThreadState::ready;
  }
}

SHIM_UNSEEN void Block::run(const LaunchShape& shape,
                            unsigned block_index,
                            Body body,
                            void* arguments,
                            const RunOptions& options) {
  shape_ = shape;
  index_ = block_index;
  scheduler_.adopt_current();
  prepare_shared_memory(options.shared_limit);
  prepare_threads(body, arguments);
  const auto warps = shuffled((shape.threads + kWarpSize - 1) / kWarpSize, options.order);
  const auto lanes = shuffled(kWarpSize, options.order);
  SHIM_TSAN(__tsan_release(&start_mark_);)
  while (left_ > 0) {
    bool moved = false;
    for (const unsigned warp : warps) {
      moved |= run_warp(warp * kWarpSize, lanes);
    }
    if (!moved) {
      release_barrier();
    }
  }
  SHIM_TSAN(__tsan_acquire(&end_mark_);)
  check_guards("the kernel's end");
}

}  // namespace shim
