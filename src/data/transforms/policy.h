// RandAugment and 3-Augment, as timm's configuration strings describe them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "data/config.h"
#include "data/image.h"
#include "data/transforms/operations.h"

namespace nala::data {

/// One operation of a policy under its name in timm, which tells how magnitude becomes argument.
struct PolicyStep {
  std::string_view name;
  double probability = 0.5;
  double magnitude = 10.0;
  double weight = 1.0;  ///< of being chosen, where the policy chooses by weight
};

/// What one policy does to pictures. Immutable, hence thread-safe.
///
/// Strings (timm 1.0.31, auto_augment.py): `rand` with sections `-m9` (magnitude), `-n2`
/// (operations per picture), `-p0.5` (probability of each), `-mstd0.5` (its magnitude is drawn from
/// a normal distribution around m; above 100: uniformly below m), `-mmax10` (upper bound), `-inc1`
/// (stronger with magnitude; `inc0` is the plain list), `-t3a`, `-t3aw`, `-tweights` (other lists);
/// and `3a`: one of solarize, grey and blur (3-Augment, DeiT III). A section timm would pass over
/// in silence is an error here.
class AugmentPolicy {
 public:
  /// Throws Error(config) naming the section.
  explicit AugmentPolicy(std::string_view text);

  /// The drawn operations applied in turn. `interpolation`: of the geometric ones; empty: drawn for
  /// each.
  [[nodiscard]] Image operator()(Image image,
                                 std::optional<Interpolation> interpolation,
                                 const Colour& fill,
                                 Rng& rng) const;

  /// The steps drawn for one picture: uniformly with replacement, or by weight without.
  [[nodiscard]] std::vector<const PolicyStep*> draw_steps(Rng& rng) const;
  /// The magnitude of one application.
  [[nodiscard]] double draw_magnitude(const PolicyStep& step, Rng& rng) const;

  [[nodiscard]] const std::vector<PolicyStep>& steps() const { return steps_; }

 private:
  void read_section(std::string_view section, std::string_view text);
  void choose_list(std::string_view name, std::string_view text);

  std::vector<PolicyStep> steps_;
  bool weighted_ = false;
  int64_t per_picture_ = 2;
  double probability_ = 0.5;
  double magnitude_ = 10.0;
  double deviation_ = 0.0;  // infinite: uniform
  double upper_bound_ = 10.0;
  bool increasing_ = false;
  std::string list_;  // of the text; empty: by `increasing_`
};

/// The operation and the argument of a step at a magnitude, its sign (where it has one) and, for
/// GaussianBlurRand, its radius drawn from `rng`.
struct DrawnOperation {
  Operation operation = Operation::auto_contrast;
  double argument = 0.0;
};
DrawnOperation draw_operation(std::string_view name, double magnitude, Rng& rng);

}  // namespace nala::data
