#include "train/stop_signal.h"

#include <csignal>

namespace nala::train {
namespace {

// A signal handler can reach nothing but a global; StopSignal is its only user.
volatile std::sig_atomic_t signal_received = 0;

void note(int) {
  signal_received = 1;
}

void set_handler(int number, void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  signal_received = 0;
  // SA_RESETHAND: the second signal finds the default action again. SA_RESTART: reads and writes in
  // progress go on.
  set_handler(SIGTERM, note, SA_RESTART | static_cast<int>(SA_RESETHAND));
  set_handler(SIGUSR1, note, SA_RESTART | static_cast<int>(SA_RESETHAND));
}

StopSignal::~StopSignal() {
  if (!closed_) {
    set_handler(SIGTERM, SIG_DFL, 0);
    set_handler(SIGUSR1, SIG_DFL, 0);
  }
}

void StopSignal::close() {
  closed_ = true;
  set_handler(SIGTERM, SIG_IGN, 0);
  set_handler(SIGUSR1, SIG_IGN, 0);
}

bool StopSignal::received() {
  return signal_received != 0;
}

}  // namespace nala::train
