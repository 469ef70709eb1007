// A step's profile as text, JSON and picture.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/step_profile.h"

namespace nala::tools {

struct ProfileReport {
  std::string title;    ///< network, sizes, dtype, threads
  double plain_ms = 0;  ///< the step's median time while nothing listened
  Roofs roofs;
  StepProfile profile;
};

/// Measures both roofs; for half dtypes their own products too.
Roofs measure_roofs(at::Device device, at::ScalarType dtype);

std::string profile_text(const ProfileReport& report);
nlohmann::ordered_json profile_json(const ProfileReport& report);
/// One SVG document.
std::string profile_picture(const ProfileReport& report);

}  // namespace nala::tools
