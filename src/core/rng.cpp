#include "core/rng.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace nala {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(Stream stream, std::initializer_list<uint64_t> key)
    : state_(mix(static_cast<uint64_t>(stream) + kGolden)) {
  for (const uint64_t word : key) {
    state_ = mix((state_ + kGolden) ^ mix(word + kGolden));
  }
}

uint64_t Rng::bits() {
  state_ += kGolden;
  return mix(state_);
}

double Rng::uniform() {
  return static_cast<double>(bits() >> 11) * 0x1.0p-53;
}

double Rng::uniform(double low, double high) {
  return low + (high - low) * uniform();
}

bool Rng::chance(double probability) {
  return uniform() < probability;
}

int64_t Rng::integer(int64_t count) {
  // Rejects the few values that would make the small remainders more likely.
  const auto n = static_cast<uint64_t>(count);
  const uint64_t threshold = (0 - n) % n;
  uint64_t value = bits();
  while (value < threshold) {
    value = bits();
  }
  return static_cast<int64_t>(value % n);
}

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

double Rng::gamma(double shape) {
  if (shape < 1.0) {
    const double boost = std::pow(1.0 - uniform(), 1.0 / shape);
    return gamma(shape + 1.0) * boost;
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal();
    const double v = std::pow(1.0 + c * x, 3.0);
    if (v > 0.0 && std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return d * v;
    }
  }
}

double Rng::beta(double a, double b) {
  const double x = gamma(a);
  const double y = gamma(b);
  // Both draws can underflow for tiny shapes; the two ends are then equally likely at a = b.
  return x + y > 0.0 ? x / (x + y) : (chance(a / (a + b)) ? 1.0 : 0.0);
}

std::vector<int64_t> permutation(int64_t count, Rng& rng) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(rng.integer(i + 1))]);
  }
  return order;
}

}  // namespace nala
