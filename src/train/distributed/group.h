// The processes of a run, and what they do together.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "train/distributed/launch.h"

namespace c10d {
class ProcessGroup;
class Store;
}  // namespace c10d

namespace nala::train {

/// Another process is gone, or did not answer within the time-out: names this rank, what it was
/// doing, and which ranks did not answer.
class LostPeers : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Collective operations on PyTorch's c10d: Gloo on the CPU, NCCL on CUDA tensors.
///
/// All processes call the same operations in the same order; `what` names the operation in
/// messages. All throw LostPeers. A group of one process does nothing, at no cost. Not thread-safe.
class Group {
 public:
  struct Options {
    at::Device device = at::kCPU;
    std::chrono::milliseconds timeout{600'000};  ///< of meeting and of every operation
  };

  /// This process alone.
  Group();
  /// Meets the other processes of the launch; alone when there are none. Throws Error(usage) when
  /// CUDA is asked for and libnala_nccl.so is not there.
  Group(const Launch& launch, const Options& options);
  /// The same at a meeting point that is already there.
  Group(const c10::intrusive_ptr<c10d::Store>& store, const Launch& launch, const Options& options);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] int64_t rank() const { return launch_.rank; }
  [[nodiscard]] int64_t world() const { return launch_.world; }
  [[nodiscard]] bool alone() const { return launch_.world == 1; }
  /// Whether this process is the one that writes files and talks to people.
  [[nodiscard]] bool leads() const { return launch_.rank == 0; }
  /// "rank 1 of 4"; empty when alone.
  [[nodiscard]] std::string name() const;

  /// Adds up over all ranks, in place; any shape and dtype, the same on every rank.
  void sum(const at::Tensor& tensor, std::string_view what) const;
  /// Rank 0's values to all, in place.
  void broadcast(const at::Tensor& tensor, std::string_view what) const;
  void broadcast(const std::vector<at::Tensor>& tensors, std::string_view what) const;
  /// Rank 0's text to all.
  [[nodiscard]] std::string broadcast(const std::string& text, std::string_view what) const;
  /// The text of every rank, in the order of ranks.
  [[nodiscard]] std::vector<std::string> gather(const std::string& text,
                                                std::string_view what) const;
  /// Returns when all ranks are here.
  void barrier(std::string_view what) const;

  /// Runs `operation`, which uses the process group, and turns what it throws into LostPeers.
  void guard(std::string_view what, const std::function<void()>& operation) const;
  /// Leaves word of an error of this rank's own, which the others then quote. Never throws.
  void announce_failure(const std::string& message) const noexcept;

  /// Null when alone; not to be kept longer than this.
  [[nodiscard]] const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const;

 private:
  struct Connection;
  void connect();
  [[noreturn]] void blame(std::string_view what, const std::string& reason) const;

  Launch launch_;
  Options options_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace nala::train
