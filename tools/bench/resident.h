// Memory as the system sees it.
#pragma once

#include <cstdint>
#include <optional>

namespace nala::tools {

/// Follows the process's own resident memory: everything it allocated, by whatever allocator,
/// without the code and data of libraries. Only the first piece of work of a process can be
/// followed: memory that was freed before is used again and does not show.
class ResidentPeak {
 public:
  /// Starts from what is held now.
  ResidentPeak();
  /// The highest that was held since the process began, above the start. None where /proc does not
  /// tell.
  [[nodiscard]] std::optional<int64_t> bytes() const;

 private:
  std::optional<int64_t> start_;
};

}  // namespace nala::tools
