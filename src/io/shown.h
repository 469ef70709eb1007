// Names from outside, made fit for a one-line message.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace nala::io {

/// 'text' in quotes: control characters shown as '?', cut after 160 bytes.
std::string in_quotes(std::string_view text);

/// A shape as [2, 3].
std::string shape_text(std::span<const int64_t> shape);

}  // namespace nala::io
