#include "train/distributed/spawn.h"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/files.h"

namespace nala::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStopped = 75;
constexpr auto kGrace = std::chrono::seconds(3);

[[noreturn]] void refuse(const char* what) {
  throw Error(ErrorKind::file, std::string("--nproc: ") + what + ": " + std::strerror(errno));
}

// The meeting point: a listening socket on a free port of the loopback interface, which rank 0
// inherits, so that nobody can take the port in between.
struct MeetingSocket {
  int descriptor = -1;
  uint16_t port = 0;
};

MeetingSocket open_meeting_socket() {
  MeetingSocket meeting{.descriptor = ::socket(AF_INET, SOCK_STREAM, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (meeting.descriptor < 0 || ::bind(meeting.descriptor, generic, length) != 0 ||
      ::listen(meeting.descriptor, SOMAXCONN) != 0 ||
      ::getsockname(meeting.descriptor, generic, &length) != 0) {
    refuse("no socket for the processes to meet at");
  }
  meeting.port = ntohs(address.sin_port);
  return meeting;
}

sigset_t passed_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGUSR1, SIGINT, SIGCHLD}) {
    sigaddset(&set, number);
  }
  return set;
}

std::vector<std::string> own_command_line() {
  std::vector<std::string> words;
  const std::string text = read_file("/proc/self/cmdline");
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

void set(const char* name, int64_t value) {
  ::setenv(name, std::to_string(value).c_str(), 1);
}

void set_environment(int64_t count, const MeetingSocket& meeting) {
  set("WORLD_SIZE", count);
  set("LOCAL_WORLD_SIZE", count);
  ::setenv("MASTER_ADDR", "127.0.0.1", 1);
  set("MASTER_PORT", meeting.port);
  set("NALA_MEETING_SOCKET", meeting.descriptor);
  const int64_t cores = std::max(1U, std::thread::hardware_concurrency());
  ::setenv("OMP_NUM_THREADS", std::to_string(std::max<int64_t>(1, cores / count)).c_str(), 0);
}

pid_t start_copy(int64_t rank, std::vector<std::string>& words, const sigset_t& old_mask) {
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  set("RANK", rank);
  set("LOCAL_RANK", rank);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    refuse("cannot start a process");
  }
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::sigprocmask(SIG_SETMASK, &old_mask, nullptr);
    if (::getppid() == parent) {
      ::execv("/proc/self/exe", arguments.data());
    }
    ::_exit(127);
  }
  return child;
}

int status_of(int raw) {
  return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
}

// The running copies, and what has become of those that ended.
class Copies {
 public:
  explicit Copies(Log& log) : log_(log) {}

  void add(pid_t process, int64_t rank) { running_.emplace(process, rank); }
  [[nodiscard]] bool all_ended() const { return running_.empty(); }
  [[nodiscard]] int status() const { return failed_ != 0 ? failed_ : stopped_ ? kStopped : 0; }

  void pass_on(int signal) const {
    for (const auto& [process, rank] : running_) {
      ::kill(process, signal);
    }
  }

  void collect() {
    int raw = 0;
    for (pid_t process; (process = ::waitpid(-1, &raw, WNOHANG)) > 0;) {
      const auto ended = running_.extract(process);
      const int status = status_of(raw);
      stopped_ |= status == kStopped;
      if (!ended.empty() && status != 0 && status != kStopped && failed_ == 0) {
        fail(ended.mapped(), status, WIFSIGNALED(raw));
      }
    }
    if (failed_ != 0 && Clock::now() > deadline_) {
      pass_on(SIGKILL);
    }
  }

 private:
  void fail(int64_t rank, int status, bool by_signal) {
    failed_ = status;
    deadline_ = Clock::now() + kGrace;
    log_.error("rank " + std::to_string(rank) +
               (by_signal ? " died of signal " + std::to_string(status - 128)
                          : " failed with status " + std::to_string(status)) +
               "; stopping the others");
    pass_on(SIGTERM);
  }

  Log& log_;
  std::map<pid_t, int64_t> running_;  // with their ranks
  int failed_ = 0;
  bool stopped_ = false;
  Clock::time_point deadline_;
};

}  // namespace

int run_copies(int64_t count, Log& log) {
  const sigset_t signals = passed_signals();
  sigset_t old_mask;
  ::sigprocmask(SIG_BLOCK, &signals, &old_mask);
  const MeetingSocket meeting = open_meeting_socket();
  std::vector<std::string> words = own_command_line();
  set_environment(count, meeting);
  Copies copies(log);
  for (int64_t rank = 0; rank < count; ++rank) {
    copies.add(start_copy(rank, words, old_mask), rank);
  }
  ::close(meeting.descriptor);
  while (!copies.all_ended()) {
    // A short wait: SIGCHLDs may merge, and the grace has an end.
    const timespec wait{.tv_sec = 0, .tv_nsec = 200'000'000};
    const int signal = ::sigtimedwait(&signals, nullptr, &wait);
    if (signal > 0 && signal != SIGCHLD) {
      copies.pass_on(signal);
    }
    copies.collect();
  }
  return copies.status();
}

}  // namespace nala::train
