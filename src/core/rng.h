// Randomness as a pure function of a key: never of threads, ranks or what was drawn before.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace nala {

/// Separates uses of randomness that share the rest of their key. Values are part of the
/// reproducibility promise: never renumber.
enum class Stream : uint64_t {
  order = 1,       ///< order of the samples of an epoch
  augment = 2,     ///< augmentation of one sample
  mix = 3,         ///< Mixup and CutMix of one group
  drop_path = 4,   ///< drop path of one sample and block
  init = 5,        ///< initial weights
  substitute = 6,  ///< the sample that stands in for an unreadable one
  synthetic = 7,   ///< synthetic pictures
  dropout = 8,     ///< dropout of one sample
};

/// A generator of a key: SplitMix64 (Steele, Lea, Flood 2014) started at a hash of the key words.
///
/// Two generators of the same key give the same sequence on every machine; keys that differ in one
/// bit give unrelated sequences. Cheap to make (a few nanoseconds), so make one per use. Not
/// thread-safe; make one per thread.
class Rng {
 public:
  /// Key: the stream, then whatever identifies the use, e.g. {seed, epoch, position}.
  Rng(Stream stream, std::initializer_list<uint64_t> key);

  /// 64 uniform bits.
  uint64_t bits();
  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high);
  /// True with the given probability.
  bool chance(double probability);
  /// Uniform in {0, ..., count - 1}, without bias; count >= 1.
  int64_t integer(int64_t count);
  /// Standard normal (Box-Muller, one value of the pair).
  double normal();
  /// Beta(a, b), a, b > 0 (two gamma draws, Marsaglia and Tsang 2000).
  double beta(double a, double b);

 private:
  double gamma(double shape);

  uint64_t state_;
};

/// A uniform permutation of 0 ... count - 1 (Fisher-Yates) drawn from `rng`.
std::vector<int64_t> permutation(int64_t count, Rng& rng);

}  // namespace nala
