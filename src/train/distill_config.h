// The `distill` part of the configuration.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/config.h"

namespace nala::train {

enum class DistillKind {
  soft,  ///< towards the teacher's distribution
  hard,  ///< towards the teacher's best class
};
constexpr std::array<std::string_view, 2> kDistillKinds{"soft", "hard"};
constexpr std::span<const std::string_view> names_of(DistillKind) {
  return kDistillKinds;
}

struct DistillConfig {
  config::Path teacher;
  DistillKind kind = DistillKind::soft;
  double alpha = 0.5;
  double temperature = 1.0;

  template <class V>
  static void fields(DistillConfig& c, V&& v) {
    v("teacher", c.teacher,
      "a network to learn from: a checkpoint, or a TorchScript file (.pt); empty: none");
    v("kind", c.kind, "soft: the teacher's distribution; hard: its best class");
    v("alpha", c.alpha, "weight of the teacher's part of the loss", config::between(0, 1));
    v("temperature", c.temperature, "soft: divides both networks' logits", config::above(0));
  }
};

}  // namespace nala::train
