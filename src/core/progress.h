// A progress bar on a terminal; silent elsewhere, where plain log lines tell the progress.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace nala {

/// Draws `label [#####.....] 12/40  30%  ETA 0:12  text` on standard error, at most ten times a
/// second, and clears it when destroyed. Not thread-safe.
class Progress {
 public:
  /// `done` counts what was finished before (a resumed run); `shown` false draws nothing.
  Progress(std::string label, int64_t total, int64_t done, bool shown);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done, std::string_view text = {});
  /// Removes the bar, so that a line can be printed; the next update draws it again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  int64_t total_;
  int64_t start_;
  bool shown_;
  bool drawn_ = false;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_;
};

/// Whether standard error is a terminal.
bool on_terminal();

}  // namespace nala
