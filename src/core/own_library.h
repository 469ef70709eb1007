// Libraries of this project that are loaded only when they are needed.
#pragma once

#include <string>

namespace nala {

/// The address of `symbol` in the shared library `file`, which is looked for beside the program,
/// beside the library this code is in, and in ../lib from there; null with the reason in `problem`.
/// The library stays loaded as long as the process lives. Thread-safe.
void* symbol_of_own_library(const std::string& file, const char* symbol, std::string& problem);

}  // namespace nala
