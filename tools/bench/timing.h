// Timing of repeated work, and what it allocates.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nala::tools {

/// How long to repeat.
struct Repetition {
  int64_t warmup = 2;
  int64_t least = 5;     ///< repetitions at the least, so that a median means something
  int64_t most = 1000;   ///< and at the most
  double seconds = 1.0;  ///< goes on until this much time was measured
};

/// Milliseconds of one repetition.
struct Timing {
  double median = 0;
  double least = 0;
  double most = 0;
};

/// Runs every piece of work in turn, round after round, so that a disturbance of the machine hits
/// all alike; waits for the device after each. One result per piece.
std::vector<Timing> time_interleaved(const std::vector<std::function<void()>>& work,
                                     at::Device device,
                                     const Repetition& repetition);

Timing time_work(const std::function<void()>& work,
                 at::Device device,
                 const Repetition& repetition);

/// The highest sum of bytes that LibTorch's allocators hand out while `work` runs, above what was
/// held before. Memory that code gets elsewhere (a thread's own scratch) is not seen.
int64_t peak_extra_bytes(const std::function<void()>& work);

/// What this machine's memory and arithmetic reach, for one dtype.
struct MachineRates {
  double copy_gb_per_s = 0;  ///< bytes read and written by a large copy
  double gflop_per_s = 0;    ///< a product of two square matrices, by the fastest way there is
};
MachineRates machine_rates(at::Device device, at::ScalarType dtype);

/// "float32" -> at::kFloat; float32, bfloat16, float16. Throws Error(usage).
at::ScalarType dtype_named(const std::string& name);
/// The reverse.
std::string dtype_name(at::ScalarType dtype);

/// 1536 -> "1.5 KiB".
std::string bytes_text(int64_t bytes);

}  // namespace nala::tools
