// Where LibTorch is, for a program that was packed without it.
#pragma once

#include <string>

namespace nala::tools {

/// Loads LibTorch's CPU part, before anything that needs it, from $NALA_TORCH_DIR/lib. Without that
/// variable does nothing. Returns what is wrong, or an empty text.
std::string load_stated_torch();

/// The same from the torch package of the python3 on PATH.
std::string load_torch_of_python();

}  // namespace nala::tools
