// The one exception type of the project, with the exit status it asks for.
#pragma once

#include <stdexcept>
#include <string>

namespace nala {

/// What went wrong, as far as the caller has to tell cases apart.
enum class ErrorKind {
  usage,       ///< wrong command line: exit status 2
  config,      ///< wrong configuration: exit status 2
  data,        ///< a picture, a label or a data folder: exit status 1
  checkpoint,  ///< a checkpoint or weight file: exit status 1
  numeric,     ///< a loss, gradient or weight that is not finite: exit status 1
  file,        ///< reading or writing failed (permissions, space): exit status 1
};

/// An error to show to the user in one line: what, where, found, expected, what to do.
///
/// Thrown by every library of the project for everything the outside can cause; each layer may add
/// context by catching and rethrowing. Caught once, in tools/main.cpp.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

  /// Exit status of the program: 2 for usage and configuration, else 1.
  [[nodiscard]] int status() const noexcept {
    return kind_ == ErrorKind::usage || kind_ == ErrorKind::config ? 2 : 1;
  }

 private:
  ErrorKind kind_;
};

}  // namespace nala
