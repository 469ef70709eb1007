// The feature maps that the linear attention operator knows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace nala::ops {

/// How queries and keys become non-negative features; formulas in ops/reference.h.
enum class FeatureMap { relu_split, cosine, elu, relu, focused };

inline constexpr std::array<std::string_view, 5> kFeatureMapNames = {"relu_split", "cosine", "elu",
                                                                     "relu", "focused"};
inline std::span<const std::string_view> names_of(FeatureMap) {
  return kFeatureMapNames;
}

/// How many halves of width d a feature of the map has.
constexpr int64_t halves_of(FeatureMap map) {
  return map == FeatureMap::relu_split || map == FeatureMap::cosine ? 2 : 1;
}

/// The map of a name, if there is one.
constexpr std::optional<FeatureMap> feature_map_named(std::string_view name) {
  for (size_t i = 0; i < kFeatureMapNames.size(); ++i) {
    if (kFeatureMapNames[i] == name) {
      return static_cast<FeatureMap>(i);
    }
  }
  return std::nullopt;
}

}  // namespace nala::ops
