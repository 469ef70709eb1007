// Runs the opcodes of a pickle and builds values, never code.
#pragma once

#include <string>
#include <string_view>

#include "io/pickle_value.h"

namespace nala::io {

/// Largest pickle that is read, bytes; tensors' elements are not part of it.
inline constexpr uint64_t kMaxPickle = uint64_t{64} << 20;

/// Reads a pickle of protocol 2 to 5 (opcodes as in Python's pickletools).
///
/// Nothing is imported or called: a class or function is a name (Kind::global), what it would make
/// an opaque value with that name (Kind::object), except for the plain values and tensors that
/// pickle_calls.h knows. Bounded: 64 MiB of input, 1 Mi values that hold 256 MiB, marks 1000 deep;
/// no recursion. Throws Error(checkpoint) beginning with `file` on anything else.
Pickle parse_pickle(std::string_view bytes, const std::string& file);

}  // namespace nala::io
