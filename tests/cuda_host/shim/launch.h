// Launches a kernel on the host.
#pragma once

#include <tuple>

#include "shim/block.h"

namespace shim {

/// Runs every block of a launch, on options.workers OS threads. Throws Error for a launch that a
/// device would refuse, for misuse inside the kernel, and whatever the kernel throws.
void run_blocks(const LaunchShape& shape, Block::Body body, void* arguments);

/// The options that launches of this process take.
RunOptions& run_options();

template <class Parameter>
void launch(void (*kernel)(Parameter), const LaunchShape& shape, const Parameter& parameter) {
  const auto call = std::tuple(kernel, parameter);
  const auto body = [](void* arguments) {
    const auto& [function, value] = *static_cast<const decltype(call)*>(arguments);
    function(value);
  };
  run_blocks(shape, body, const_cast<std::remove_const_t<decltype(call)>*>(&call));
}

}  // namespace shim
