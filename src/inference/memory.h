// Working memory of the fused network, and who does its pieces of work.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <cstdint>
#include <functional>

namespace nala::inference {

/// Memory of LibTorch's allocator, aligned to 64 bytes, that grows when asked for more; not
/// initialised. Move only.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) { reserve(bytes); }

  /// At least `bytes`; what it held is lost when it grows. Throws c10::Error when there is none.
  std::byte* reserve(size_t bytes);
  float* floats(int64_t count) {
    return reinterpret_cast<float*>(reserve(static_cast<size_t>(count) * sizeof(float)));
  }
  [[nodiscard]] const std::byte* data() const {
    return static_cast<const std::byte*>(memory_.get());
  }

 private:
  c10::DataPtr memory_;
  size_t size_ = 0;
};

/// Hands out pieces of one block of memory, each aligned to 64 bytes.
class Pieces {
 public:
  explicit Pieces(float* memory) : next_(memory) {}
  float* floats(int64_t count) {
    float* const piece = next_;
    next_ += padded(count);
    return piece;
  }
  /// What floats(count) uses up.
  static constexpr int64_t padded(int64_t count) { return (count + 15) / 16 * 16; }

 private:
  float* next_;
};

/// Work(i, scratch): scratch is aligned to 64 bytes and as large as was asked for.
using Work = std::function<void(int64_t item, float* scratch)>;

/// Does the pieces of one picture's work: by all of LibTorch's threads, or by the one that calls,
/// while other pictures keep the others busy. Results do not depend on which. Not for several
/// threads at once.
class Team {
 public:
  explicit Team(bool together) : together_(together) {}

  [[nodiscard]] bool together() const { return together_; }
  /// work(0 ... items - 1), each with `floats` floats of its own; rethrows.
  void each(int64_t items, int64_t floats, const Work& work);

 private:
  bool together_;
  Buffer scratch_;
};

/// Cuts `total` into parts of about `wanted`, at least one.
struct Cut {
  Cut(int64_t total, int64_t wanted);
  [[nodiscard]] int64_t begin(int64_t part) const { return part * total / count; }
  [[nodiscard]] int64_t end(int64_t part) const { return (part + 1) * total / count; }
  /// The largest part.
  [[nodiscard]] int64_t most() const { return (total + count - 1) / count; }

  int64_t total, count;
};

}  // namespace nala::inference
