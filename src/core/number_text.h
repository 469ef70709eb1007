// Numbers as people read them.
#pragma once

#include <string>

namespace nala {

/// With a fixed count of decimals: fixed(3.14159, 2) is "3.14".
std::string fixed(double value, int decimals);

/// With three significant digits: "0.00123", "1.2e-05".
std::string short_number(double value);

/// Seconds as `1:02:03` or `2:03`; negative ones as 0:00.
std::string duration_text(double seconds);

}  // namespace nala
