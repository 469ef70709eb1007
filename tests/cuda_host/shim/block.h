// A block of CUDA threads run on the host: its threads are fibers, its barriers are real.
//
// A warp runs until all its threads stand at a barrier, the widest skew that CUDA's rules allow.
// Misuse that hardware answers with a hang or with garbage throws Error. Not shown: weak memory
// ordering, timing of warps, accuracy of fast intrinsics, bank conflicts, registers, speed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "shim/fiber.h"
#include "shim/types.h"

namespace shim {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A place in a kernel's source.
struct Place {
  const char* what = "";
  const char* file = "";
  int line = 0;
  bool operator==(const Place& other) const;
};
std::string described(const Place& place);

struct LaunchShape {
  unsigned blocks = 1;
  unsigned threads = 32;
  size_t shared_bytes = 0;
};

/// How blocks are run; the results of a correct kernel do not depend on it.
struct RunOptions {
  unsigned workers = 1;  ///< OS threads that run blocks
  unsigned order = 0;    ///< of warps and lanes: 0 ascending, 1 descending, else shuffled by it
  size_t shared_limit = 99 * 1024;  ///< one block's, in bytes: the smallest, sm_120's
};

enum class ThreadState : uint8_t { ready, at_block_barrier, at_warp_barrier, done };

constexpr unsigned kWarpSize = 32;

struct Thread {
  Fiber fiber;
  unsigned index = 0;
  ThreadState state = ThreadState::done;
  Place place;                // where it waits
  void* exchanged = nullptr;  // what it brings to a warp operation
  unsigned meetings = 0;      // warp operations so far
  std::array<char, 2> sync_marks{};
};

class Block {
 public:
  using Body = void (*)(void* arguments);

  /// Runs one block to its end. Throws Error for misuse, and whatever `body` throws.
  void run(const LaunchShape& shape,
           unsigned block_index,
           Body body,
           void* arguments,
           const RunOptions& options);

  Thread& current() { return *current_; }
  Thread* warp_of(const Thread& thread) { return &threads_[thread.index / kWarpSize * kWarpSize]; }
  unsigned index() const { return index_; }
  const LaunchShape& shape() const { return shape_; }

  /// The block's shared memory: NaN until written, with guard bands around it.
  void* shared_memory(size_t bytes);
  /// Puts the running thread to sleep until the scheduler or a warp operation wakes it.
  void wait(ThreadState state, const Place& place);
  void barrier(const Place& place);
  [[noreturn]] void fail(const std::string& why) const;

 private:
  static void enter_thread();
  void prepare_threads(Body body, void* arguments);
  void prepare_shared_memory(size_t limit);
  std::vector<unsigned> shuffled(unsigned count, unsigned order) const;
  bool run_warp(unsigned first, const std::vector<unsigned>& lanes);
  void release_barrier();
  void check_guards(const char* when) const;
  std::string who_waits_where() const;

  Fiber scheduler_;
  std::unique_ptr<Thread[]> threads_{new Thread[1024]};
  Thread* current_ = nullptr;
  unsigned left_ = 0;
  unsigned barriers_ = 0;
  unsigned index_ = 0;
  LaunchShape shape_;
  Body body_ = nullptr;
  void* arguments_ = nullptr;
  std::exception_ptr thrown_;
  std::vector<char> memory_;
  char* shared_ = nullptr;
  size_t shared_bytes_ = 0;
  char start_mark_ = 0;
  char end_mark_ = 0;
  std::array<char, 2> barrier_marks_{};
};

/// The block that this OS thread runs, while it runs one.
Block*& current_block();

}  // namespace shim
