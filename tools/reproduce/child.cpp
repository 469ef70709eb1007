#include "reproduce/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "scratch_folder.h"

namespace nala::tools {
namespace {

[[noreturn]] void refuse_child(const char* what) {
  throw Error(ErrorKind::file, std::string("reproduce: ") + what + ": " + std::strerror(errno));
}

// In the new process: never returns.
[[noreturn]] void become(char* const* arguments, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (::getppid() == parent && nowhere >= 0 && ::dup2(nowhere, STDOUT_FILENO) >= 0) {
    ::execv("/proc/self/exe", arguments);
  }
  ::_exit(127);
}

}  // namespace

int run_child(const std::vector<std::string>& words) {
  std::vector<std::string> all{"nalaformer"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (std::string& word : all) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    refuse_child("cannot start a process");
  }
  if (child == 0) {
    become(arguments.data(), parent);
  }
  int raw = 0;
  while (::waitpid(child, &raw, 0) < 0) {
    if (errno != EINTR) {
      refuse_child("cannot wait for a process");
    }
  }
  return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
}

nlohmann::json json_of_child(std::vector<std::string> words) {
  const std::string name = words.at(0);
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch.path() / "result.json";
  words.insert(words.end(), {"--quiet", "--json", file.string()});
  const int status = run_child(words);
  if (status != 0) {
    throw Error(ErrorKind::data,
                "reproduce: " + name + " ended with status " + std::to_string(status));
  }
  return nlohmann::json::parse(read_file(file));
}

}  // namespace nala::tools
