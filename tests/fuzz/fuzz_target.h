// What a fuzz target provides; the programs around it are driver.cpp and libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// Feeds one input to the code under test. Returns 0; ends the process (an exception other than
/// nala::Error, a failed check, a sanitizer) on a fault.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

/// Valid inputs to start from.
std::vector<std::string> fuzz_seeds();

/// Throws what no target catches, naming the broken promise.
void fuzz_require(bool holds, const char* promise);
