#include "bench/timing.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "core/error.h"
#include "core/number_text.h"

namespace nala::tools {
namespace {

void wait_for(at::Device device) {
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  }
}

double milliseconds_of(const std::function<void()>& work, at::Device device) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  wait_for(device);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

Timing summary(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t half = times.size() / 2;
  const double median = times.size() % 2 == 1 ? times[half] : (times[half - 1] + times[half]) / 2.0;
  return {median, times.front(), times.back()};
}

// Adds up what the allocators report on this thread.
struct Ledger : c10::MemoryReportingInfoBase {
  void reportMemoryUsage(void*, int64_t size, size_t, size_t, c10::Device) override {
    held += size;
    peak = std::max(peak, held);
  }
  [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }
  int64_t held = 0;
  int64_t peak = 0;
};

}  // namespace

std::vector<Timing> time_interleaved(const std::vector<std::function<void()>>& work,
                                     at::Device device,
                                     const Repetition& repetition) {
  std::vector<std::vector<double>> times(work.size());
  for (int64_t i = 0; i < repetition.warmup; ++i) {
    for (const auto& piece : work) {
      piece();
    }
  }
  wait_for(device);
  double total = 0;
  for (int64_t round = 0; round < repetition.most; ++round) {
    if (round >= repetition.least && total >= 1e3 * repetition.seconds) {
      break;
    }
    for (size_t i = 0; i < work.size(); ++i) {
      times[i].push_back(milliseconds_of(work[i], device));
      total += times[i].back();
    }
  }
  std::vector<Timing> result;
  std::transform(times.begin(), times.end(), std::back_inserter(result),
                 [](const std::vector<double>& own) { return summary(own); });
  return result;
}

Timing time_work(const std::function<void()>& work,
                 at::Device device,
                 const Repetition& repetition) {
  return time_interleaved({work}, device, repetition).front();
}

int64_t peak_extra_bytes(const std::function<void()>& work) {
  const auto ledger = std::make_shared<Ledger>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, ledger);
  work();
  return ledger->peak;
}

MachineRates machine_rates(at::Device device, at::ScalarType dtype) {
  const at::TensorOptions options = at::TensorOptions(dtype).device(device);
  constexpr int64_t kBytes = int64_t{1} << 28;
  const int64_t count = kBytes / static_cast<int64_t>(c10::elementSize(dtype));
  const at::Tensor from = at::ones({count}, options);
  const at::Tensor to = at::empty({count}, options);
  const Repetition repetition{.seconds = 0.3};
  const double copy = time_work([&] { to.copy_(from); }, device, repetition).least;

  constexpr int64_t kSide = 1024;
  const at::Tensor a = at::ones({kSide, kSide}, options);
  at::Tensor product;
  double multiply = time_work([&] { product = at::mm(a, a); }, device, repetition).least;
  if (device.is_cpu() && dtype != at::kHalf) {
    // The same product as a convolution, which another library may do faster.
    const at::Tensor map = a.view({1, kSide, 1, kSide}).permute({0, 3, 1, 2});  // (1, C, 1, N)
    const at::Tensor kernel = a.view({kSide, kSide, 1, 1});
    multiply = std::min(
        multiply, time_work([&] { product = at::conv2d(map, kernel); }, device, repetition).least);
  }
  return {.copy_gb_per_s = 2.0 * kBytes / copy / 1e6,
          .gflop_per_s = 2.0 * kSide * kSide * kSide / multiply / 1e6};
}

at::ScalarType dtype_named(const std::string& name) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    if (dtype_name(dtype) == name) {
      return dtype;
    }
  }
  throw Error(ErrorKind::usage, "--dtype: unknown '" + name + "'; known: float32 bfloat16 float16");
}

std::string dtype_name(at::ScalarType dtype) {
  return dtype == at::kFloat ? "float32" : dtype == at::kBFloat16 ? "bfloat16" : "float16";
}

std::string bytes_text(int64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits{"B", "KiB", "MiB", "GiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  return fixed(value, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

}  // namespace nala::tools
