// SIGTERM and SIGUSR1 during training: finish the step, save, leave.
#pragma once

namespace nala::train {

/// While it lives, the first SIGTERM or SIGUSR1 is noted; a second one of the kind ends the process
/// by its default action. At most one at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// From now on both signals are ignored, for good: all is saved and the process is leaving.
  void close();
  /// Whether a signal arrived since construction.
  [[nodiscard]] static bool received();

 private:
  bool closed_ = false;
};

}  // namespace nala::train
