#include "analysis/spike_patterns.h"

#include <torch/torch.h>

#include <cmath>
#include <vector>

#include "core/rng.h"

namespace nala::analysis {
namespace {

constexpr double kFloor = 0.1;
// Keeps these draws apart from the other users of the stream of synthetic data.
constexpr uint64_t kUse = 0x73'70'69'6b'65;

std::vector<double> direction(const PatternOptions& options, Rng& rng) {
  std::vector<double> x(static_cast<size_t>(options.width));
  const bool spikes = options.pattern == Pattern::spikes;
  for (double& value : x) {
    value = (spikes ? kFloor : 1) * rng.normal();
  }
  if (spikes) {
    const std::vector<int64_t> channels = permutation(options.width, rng);
    for (int64_t i = 0; i < options.spikes; ++i) {
      x[static_cast<size_t>(channels[static_cast<size_t>(i)])] += rng.chance(0.5) ? 1 : -1;
    }
  }
  return x;
}

}  // namespace

std::string_view name_of(Pattern pattern) {
  switch (pattern) {
    case Pattern::spikes:
      return "spikes";
    case Pattern::isotropic:
      return "isotropic";
    case Pattern::normal:
      return "normal";
  }
  return "";
}

at::Tensor spike_patterns(const PatternOptions& options, Role role, int64_t count) {
  at::Tensor result = at::empty({count, options.width}, at::kFloat);
  auto* out = result.mutable_data_ptr<float>();
  for (int64_t row = 0; row < count; ++row) {
    Rng rng(Stream::synthetic, {kUse, options.seed, static_cast<uint64_t>(options.pattern),
                                static_cast<uint64_t>(role), static_cast<uint64_t>(row)});
    const double norm =
        std::exp(rng.uniform(std::log(options.smallest_norm), std::log(options.largest_norm)));
    const std::vector<double> x = direction(options, rng);
    double square = 0;
    for (const double value : x) {
      square += value * value;
    }
    const double factor = options.pattern == Pattern::normal ? 1 : norm / std::sqrt(square);
    for (const double value : x) {
      *out++ = static_cast<float>(value * factor);
    }
  }
  return result;
}

}  // namespace nala::analysis
