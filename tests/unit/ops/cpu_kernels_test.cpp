// The CPU kernels on raw memory: values against plain double arithmetic, gradients against its
// differences, and nothing written outside the rows they are given.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "double_features.h"
#include "ops/cpu/kernels.h"

namespace nala::ops::cpu {
namespace {

using Values = std::vector<double>;  // (N, d)

struct Inputs {
  int64_t n;
  int d;
  Values q, k, v, dy, cos, sin;
};

Values drawn(size_t count, uint64_t seed) {
  Values values(count);
  uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (double& value : values) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    value = static_cast<float>(1.7 * (static_cast<double>(state >> 11) * 0x1.0p-52 - 1));
  }
  return values;
}

Inputs drawn_inputs(int64_t n, int d) {
  const size_t count = static_cast<size_t>(n * d);
  Inputs in{n, d, drawn(count, 1), drawn(count, 2), drawn(count, 3), drawn(count, 4), {}, {}};
  for (const double angle : drawn(count, 5)) {
    in.cos.push_back(static_cast<float>(std::cos(angle)));
    in.sin.push_back(static_cast<float>(std::sin(angle)));
  }
  return in;
}

// Definition in double ---------------------------------------------------------------------------

Values features(const Setup& s, const double* x, bool is_query) {
  return double_features({s.map, s.norm_aware, s.lambd, s.tau, s.alpha}, x,
                         static_cast<size_t>(s.d), is_query);
}

Values rotated(const Values& phi, const Inputs& in, int64_t token) {
  if (in.cos.empty()) {
    return phi;
  }
  Values turned(phi.size());
  const auto d = static_cast<size_t>(in.d);
  for (size_t i = 0; i < phi.size(); i += 2) {
    const size_t j = static_cast<size_t>(token) * d + i % d;
    turned[i] = phi[i] * in.cos[j] - phi[i + 1] * in.sin[j];
    turned[i + 1] = phi[i + 1] * in.cos[j + 1] + phi[i] * in.sin[j + 1];
  }
  return turned;
}

Values output(const Setup& s, const Inputs& in) {
  const auto d = static_cast<size_t>(in.d);
  const auto n = static_cast<size_t>(in.n);
  Values state;
  Values mean;
  for (size_t t = 0; t < n; ++t) {
    const Values phi = features(s, &in.k[t * d], false);
    const Values turned = rotated(phi, in, static_cast<int64_t>(t));
    state.resize(phi.size() * d);
    mean.resize(phi.size());
    for (size_t f = 0; f < phi.size(); ++f) {
      mean[f] += phi[f] / static_cast<double>(n);
      for (size_t c = 0; c < d; ++c) {
        state[f * d + c] += turned[f] * in.v[t * d + c] / static_cast<double>(n);
      }
    }
  }
  Values y(n * d);
  for (size_t t = 0; t < n; ++t) {
    const Values phi = features(s, &in.q[t * d], true);
    const Values turned = rotated(phi, in, static_cast<int64_t>(t));
    double normaliser = s.eps;
    for (size_t f = 0; f < phi.size(); ++f) {
      normaliser += phi[f] * mean[f];
    }
    for (size_t f = 0; f < phi.size(); ++f) {
      for (size_t c = 0; c < d; ++c) {
        y[t * d + c] += turned[f] * state[f * d + c] / normaliser;
      }
    }
  }
  return y;
}

double loss(const Setup& s, const Inputs& in) {
  const Values y = output(s, in);
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    sum += y[i] * in.dy[i];
  }
  return sum;
}

Values differences(const Setup& s, Inputs in, Values Inputs::*x) {
  Values gradient((in.*x).size());
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double old = (in.*x)[i];
    const double step = 1e-6;
    (in.*x)[i] = old + step;
    const double above = loss(s, in);
    (in.*x)[i] = old - step;
    gradient[i] = (above - loss(s, in)) / (2 * step);
    (in.*x)[i] = old;
  }
  return gradient;
}

// Memory with guards -----------------------------------------------------------------------------

uint16_t narrowed(double value, Dtype dtype) {
  const auto x = static_cast<float>(value);
  if (dtype == Dtype::float16) {
    const auto half = static_cast<_Float16>(x);
    return std::bit_cast<uint16_t>(half);
  }
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1U)) >> 16);
}

double widened(uint16_t bits, Dtype dtype) {
  return dtype == Dtype::float16 ? static_cast<double>(std::bit_cast<_Float16>(bits))
                                 : double{std::bit_cast<float>(static_cast<uint32_t>(bits) << 16)};
}

// (N, d) values among bytes of a pattern: before, behind, and between rows where stride > d.
class Guarded {
 public:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kPattern = 0xA5;

  Guarded(int64_t n, int d, int64_t stride, Dtype dtype)
      : n_(n),
        d_(d),
        stride_(stride),
        dtype_(dtype),
        size_(dtype == Dtype::float32 ? 4 : 2),
        bytes_(2 * kGuard + static_cast<size_t>(((n - 1) * stride + d) * size_), kPattern) {}

  Rows rows() { return {bytes_.data() + kGuard, stride_, 1, dtype_}; }

  void fill(const Values& values) {
    for (int64_t i = 0; i < n_ * d_; ++i) {
      const double value = values[static_cast<size_t>(i)];
      if (dtype_ == Dtype::float32) {
        const auto x = static_cast<float>(value);
        std::memcpy(place(i), &x, 4);
      } else {
        const uint16_t x = narrowed(value, dtype_);
        std::memcpy(place(i), &x, 2);
      }
    }
  }

  Values values() {
    Values result;
    for (int64_t i = 0; i < n_ * d_; ++i) {
      float x = 0;
      uint16_t half = 0;
      std::memcpy(size_ == 4 ? static_cast<void*>(&x) : &half, place(i),
                  static_cast<size_t>(size_));
      result.push_back(size_ == 4 ? double{x} : widened(half, dtype_));
    }
    return result;
  }

  bool intact() {
    std::vector<bool> ours(bytes_.size());
    for (int64_t i = 0; i < n_ * d_; ++i) {
      for (int64_t b = 0; b < size_; ++b) {
        ours[static_cast<size_t>(place(i) - bytes_.data() + b)] = true;
      }
    }
    for (size_t i = 0; i < bytes_.size(); ++i) {
      if (!ours[i] && bytes_[i] != kPattern) {
        return false;
      }
    }
    return true;
  }

 private:
  unsigned char* place(int64_t i) {
    return bytes_.data() + kGuard + (i / d_ * stride_ + i % d_) * size_;
  }

  int64_t n_, d_, stride_;
  Dtype dtype_;
  int64_t size_;
  std::vector<unsigned char> bytes_;
};

std::vector<float> floats_of(const Values& values) {
  return {values.begin(), values.end()};
}

// One whole forward and backward -----------------------------------------------------------------

struct Results {
  Values y, dq, dk, dv;
  bool intact;
};

struct Case {
  int64_t chunk = 1 << 20;
  int64_t padding = 0;  ///< stride - d
  Dtype dtype = Dtype::float32;
};

// State of (f, d + 1) floats between guards.
struct GuardedState {
  GuardedState(int64_t f, int d)
      : features(f), channels(d), floats(static_cast<size_t>(f * (d + 1) + 48), kPattern) {}
  static constexpr float kPattern = -7.25F;
  State state() { return {floats.data() + 16, floats.data() + 32 + features * channels}; }
  bool intact() const {
    bool whole = true;
    for (size_t i = 0; i < 16; ++i) {
      whole = whole && floats[i] == kPattern &&
              floats[i + 16 + static_cast<size_t>(features * channels)] == kPattern &&
              floats[floats.size() - 1 - i] == kPattern;
    }
    return whole;
  }
  int64_t features, channels;
  std::vector<float> floats;
};

class Passes {
 public:
  Passes(const Kernels& kernels, const Setup& setup, const Inputs& in, const Case& c)
      : kernels_(kernels),
        setup_(setup),
        n_(in.n),
        chunk_(c.chunk),
        cos_(floats_of(in.cos)),
        sin_(floats_of(in.sin)),
        scratch_(kernels.scratch(setup) + 32, std::nanf("")),
        normaliser_(static_cast<size_t>(in.n) + 32, kNormaliserGuard) {
    for (size_t i = 0; i < 8; ++i) {
      rows_.emplace_back(in.n, in.d, in.d + c.padding, c.dtype);
    }
    rows_[0].fill(in.q);
    rows_[1].fill(in.k);
    rows_[2].fill(in.v);
    rows_[4].fill(in.dy);
    const bool two = setup.map == FeatureMap::relu_split || setup.map == FeatureMap::cosine;
    features_ = (two ? 2 : 1) * in.d;
    sequence_ = {.q = rows_[0].rows(),
                 .k = rows_[1].rows(),
                 .v = rows_[2].rows(),
                 .y = rows_[3].rows(),
                 .dy = rows_[4].rows(),
                 .dq = rows_[5].rows(),
                 .dk = rows_[6].rows(),
                 .dv = rows_[7].rows(),
                 .normaliser = normaliser_.data() + 16};
    if (!cos_.empty()) {
      sequence_.tables = {cos_.data(), sin_.data(), in.d, in.d};
    }
  }

  Results run() {
    const GuardedState state = summed([&](Range range, const State& sums) {
      kernels_.key_state(setup_, sequence_, range, sums, scratch());
    });
    GuardedState kept = state;
    each([&](Range range) {
      kernels_.query_output(setup_, sequence_, range, kept.state(), scratch());
    });
    GuardedState gradient = summed([&](Range range, const State& sums) {
      kernels_.query_gradient(setup_, sequence_, range, {kept.state(), sums}, scratch());
    });
    each([&](Range range) {
      kernels_.key_gradient(setup_, sequence_, range, gradient.state(), scratch());
    });
    bool intact = intact_;
    for (Guarded& rows : rows_) {
      intact = intact && rows.intact();
    }
    for (size_t i = 0; i < 16; ++i) {
      intact = intact && normaliser_[i] == kNormaliserGuard &&
               normaliser_[normaliser_.size() - 1 - i] == kNormaliserGuard;
    }
    return {rows_[3].values(), rows_[5].values(), rows_[6].values(), rows_[7].values(), intact};
  }

 private:
  static constexpr float kNormaliserGuard = -3.5F;

  float* scratch() {
    const auto address = reinterpret_cast<uintptr_t>(scratch_.data());
    return scratch_.data() + (64 - address % 64) % 64 / 4;
  }

  void each(const std::function<void(Range)>& step) {
    for (int64_t begin = 0; begin < n_; begin += chunk_) {
      step({begin, std::min(n_, begin + chunk_)});
    }
  }

  GuardedState summed(const std::function<void(Range, const State&)>& step) {
    GuardedState total(features_, setup_.d);
    std::vector<float>& sums = total.floats;
    bool first = true;
    each([&](Range range) {
      GuardedState part(features_, setup_.d);
      step(range, part.state());
      intact_ = intact_ && part.intact();
      for (size_t i = 16; i < sums.size() - 16; ++i) {
        const bool guard = part.floats[i] == GuardedState::kPattern;
        sums[i] = guard ? GuardedState::kPattern : part.floats[i] + (first ? 0 : sums[i]);
      }
      first = false;
    });
    for (size_t i = 16; i < sums.size() - 16; ++i) {
      sums[i] = sums[i] == GuardedState::kPattern ? sums[i] : sums[i] / static_cast<float>(n_);
    }
    return total;
  }

  const Kernels& kernels_;
  Setup setup_;
  int64_t n_, chunk_;
  int64_t features_ = 0;
  std::vector<float> cos_, sin_, scratch_, normaliser_;
  std::vector<Guarded> rows_;
  Sequence sequence_;
  bool intact_ = true;
};

struct Named {
  std::string name;
  const Kernels* kernels;
};
std::vector<Named> available() {
  std::vector<Named> kernels;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    kernels.push_back({"avx2", &kAvx2Kernels});
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    kernels.push_back({"avx512", &kAvx512Kernels});
  }
  return kernels;
}

// max |a - b| over the larger of max |b| and 0.02: gradients that cancel to almost nothing keep the
// rounding of their terms.
double deviation(const Values& a, const Values& b) {
  double worst = 0;
  double largest = 0.02;
  for (size_t i = 0; i < b.size(); ++i) {
    worst = std::isfinite(a[i]) ? std::max(worst, std::abs(a[i] - b[i])) : INFINITY;
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}

std::vector<Setup> setups(int d) {
  std::vector<Setup> all;
  for (size_t map = 0; map < kFeatureMapNames.size(); ++map) {
    Setup setup{.d = d, .map = static_cast<FeatureMap>(map), .alpha = 1.5F};
    all.push_back(setup);
    if (setup.map == FeatureMap::relu_split || setup.map == FeatureMap::cosine) {
      setup.norm_aware = false;
      all.push_back(setup);
      all.push_back({.d = d, .map = setup.map, .lambd = 2.5F, .tau = 0.75F, .eps = 1e-3F});
    }
  }
  return all;
}

std::string title(const Named& kernels, const Setup& s) {
  return kernels.name + " " + std::string(kFeatureMapNames[static_cast<size_t>(s.map)]) +
         (s.norm_aware ? " " : " plain ") + std::to_string(s.lambd) + " d " + std::to_string(s.d);
}

TEST(CpuKernels, FollowTheDefinition) {
  for (const Named& kernels : available()) {
    for (const int d : {4, 12, 16, 20, 32, 48, 64, 96, 100, 128}) {
      for (const int64_t n : {1, 17, 65, 131}) {
        const Inputs in = drawn_inputs(n, d);
        for (const auto& setup : setups(d)) {
          SCOPED_TRACE(title(kernels, setup) + " N " + std::to_string(n));
          const Results got = Passes(*kernels.kernels, setup, in, {}).run();
          EXPECT_LT(deviation(got.y, output(setup, in)), 4e-6);
          EXPECT_TRUE(got.intact);
        }
      }
    }
  }
}

TEST(CpuKernels, GradientsAreThoseOfDifferences) {
  for (const Named& kernels : available()) {
    for (const auto& [n, d] : {std::pair<int64_t, int>{2, 4}, {5, 12}, {3, 20}, {18, 8}}) {
      Inputs in = drawn_inputs(n, d);
      for (const bool rotate : {true, false}) {
        if (!rotate) {
          in.cos.clear();
          in.sin.clear();
        }
        for (const auto& setup : setups(d)) {
          SCOPED_TRACE(title(kernels, setup) + " N " + std::to_string(n));
          const Results got = Passes(*kernels.kernels, setup, in, {.padding = 3}).run();
          EXPECT_LT(deviation(got.dq, differences(setup, in, &Inputs::q)), 5e-5);
          EXPECT_LT(deviation(got.dk, differences(setup, in, &Inputs::k)), 5e-5);
          EXPECT_LT(deviation(got.dv, differences(setup, in, &Inputs::v)), 5e-5);
          EXPECT_TRUE(got.intact);
        }
      }
    }
  }
}

// Every dtype, stride and cut into chunks, held to the run in one piece.
TEST(CpuKernels, WriteTheirRowsOnly) {
  for (const Named& kernels : available()) {
    for (const int d : {4, 16, 20, 48, 64}) {
      for (const int64_t n : {1, 7, 64, 67, 130}) {
        const Inputs in = drawn_inputs(n, d);
        for (const auto& setup : setups(d)) {
          const Results whole = Passes(*kernels.kernels, setup, in, {}).run();
          for (const Case& c :
               {Case{.chunk = 64, .padding = 5}, Case{.padding = 3, .dtype = Dtype::bfloat16},
                Case{.chunk = 64, .padding = 1, .dtype = Dtype::float16}}) {
            SCOPED_TRACE(title(kernels, setup) + " N " + std::to_string(n) + " dtype " +
                         std::to_string(static_cast<int>(c.dtype)));
            const Results got = Passes(*kernels.kernels, setup, in, c).run();
            const double bound = c.dtype == Dtype::float32    ? 2e-5
                                 : c.dtype == Dtype::bfloat16 ? 0.1
                                                              : 0.02;
            EXPECT_TRUE(got.intact);
            EXPECT_LT(deviation(got.y, whole.y), bound);
            EXPECT_LT(deviation(got.dv, whole.dv), bound);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace nala::ops::cpu
