// What a model is trained to do.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace nala::models {

enum class Task { classification, segmentation, super_resolution };

inline constexpr std::array<std::string_view, 3> kTaskNames = {"classification", "segmentation",
                                                               "super_resolution"};
inline std::span<const std::string_view> names_of(Task) {
  return kTaskNames;
}

}  // namespace nala::models
