#include "fuzz_target.h"

#include <stdexcept>

void fuzz_require(bool holds, const char* promise) {
  if (!holds) {
    throw std::logic_error(std::string("broken: ") + promise);
  }
}
