// Mixed precision: automatic casting of a scope, and loss scaling for fp16.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace nala::train {

enum class Amp { none, bf16, fp16 };
constexpr std::array<std::string_view, 3> kAmpNames{"none", "bf16", "fp16"};
constexpr std::span<const std::string_view> names_of(Amp) {
  return kAmpNames;
}

/// While it lives, matrix products and convolutions of this thread run in the given precision.
/// Restores what was before, also when nested.
class AutocastScope {
 public:
  AutocastScope(Amp amp, at::DeviceType device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool was_enabled_ = false;
  at::ScalarType was_type_ = at::kFloat;
};

/// Dynamic loss scaling as PyTorch's GradScaler: doubles after 2 000 good steps, halves after a
/// step whose gradients overflowed. With `enabled` false it scales by one and never skips.
class LossScaler {
 public:
  struct State {
    double scale = 65536;
    int64_t good_steps = 0;
  };

  explicit LossScaler(bool enabled) : enabled_(enabled) {}

  [[nodiscard]] double scale() const { return enabled_ ? state_.scale : 1.0; }
  /// Divides the gradients by the scale, in place.
  void unscale(const std::vector<at::Tensor>& gradients) const;
  /// Takes whether the step's gradients were finite; true when the step is to be taken. Throws
  /// Error(numeric) when the scale has fallen below 1: the loss itself is not finite.
  bool update(bool finite);

  [[nodiscard]] bool enabled() const { return enabled_; }
  [[nodiscard]] const State& state() const { return state_; }
  void load_state(const State& state) { state_ = state; }

 private:
  bool enabled_;
  State state_;
};

}  // namespace nala::train
