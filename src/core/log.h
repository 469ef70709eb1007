// Messages for people: to standard error and, once a run has a folder, to its train.log.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace nala {

enum class LogLevel { debug, info, warning, error, off };

/// Writes time-stamped lines; the only face of the logging library in this project.
///
/// Passed by reference to whoever reports; thread-safe.
class Log {
 public:
  /// `prefix` stands before every message, such as "[rank 1] ".
  explicit Log(LogLevel level = LogLevel::info, const std::string& prefix = "");
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Also appends to `path` from now on (every level from info up). Throws Error(file).
  void add_file(const std::filesystem::path& path);

  void debug(std::string_view message);
  void info(std::string_view message);
  void warning(std::string_view message);
  void error(std::string_view message);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nala
