#include "peak.h"

#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace nala::bench {
namespace {

using Lanes = float __attribute__((vector_size(64)));
constexpr int kChains = 16;  // enough to fill two units of four steps each

[[gnu::target("avx512f,fma"), gnu::noinline]] float busy(int64_t steps) {
  Lanes x[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    x[i] = Lanes{} + static_cast<float>(i);
  }
  const Lanes factor = Lanes{} + 0.999F;
  const Lanes term = Lanes{} + 0.001F;
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      x[i] = x[i] * factor + term;
    }
  }
#pragma GCC unroll 16
  for (int i = 1; i < kChains; ++i) {
    x[0] += x[i];
  }
  return x[0][0];
}

}  // namespace

double peak_gflops(int threads) {
  if (!__builtin_cpu_supports("avx512f")) {
    return 0;
  }
  constexpr int64_t kSteps = 20'000'000;
  std::vector<float> results(static_cast<size_t>(threads));
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> running;
  for (float& result : results) {
    running.emplace_back([&result] { result = busy(kSteps); });
  }
  for (std::thread& thread : running) {
    thread.join();
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double flop = 2.0 * 16 * kChains * kSteps * threads;
  return results[0] > 0 ? flop / seconds * 1e-9 : 0;
}

}  // namespace nala::bench
