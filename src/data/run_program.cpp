#include "data/run_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/files.h"

namespace nala::data {
namespace {

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  void write_to(int descriptor, const std::filesystem::path& path) {
    posix_spawn_file_actions_addopen(&actions_, descriptor, path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
  }
  void no_input() {
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  void in_folder(const std::filesystem::path& folder) {
    posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

std::string last_line(std::string text) {
  text.erase(text.find_last_not_of("\n\r ") + 1);
  const size_t start = text.find_last_of("\n\r");
  return start == std::string::npos ? text : text.substr(start + 1);
}

std::string in_words(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) {
    text.append(text.empty() ? "" : " ").append(argument);
  }
  return text;
}

int wait_for(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

void run_program_into(const std::vector<std::string>& arguments,
                      const std::filesystem::path& folder,
                      const std::filesystem::path& output) {
  const std::filesystem::path errors = std::filesystem::absolute(output).concat(".stderr");
  SpawnActions actions;
  actions.no_input();
  actions.write_to(STDOUT_FILENO, std::filesystem::absolute(output));
  actions.write_to(STDERR_FILENO, errors);
  actions.in_folder(folder);
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  pid_t process = 0;
  const int code =
      posix_spawnp(&process, pointers[0], actions.get(), nullptr, pointers.data(), environ);
  if (code != 0) {
    throw Error(ErrorKind::data, arguments[0] + ": cannot be started: " + std::strerror(code));
  }
  const int status = wait_for(process);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw Error(ErrorKind::data, in_words(arguments) + ": failed: " + last_line(read_file(errors)));
  }
  std::filesystem::remove(errors);
}

std::string run_program(const std::vector<std::string>& arguments,
                        const std::filesystem::path& folder) {
  const std::filesystem::path output = folder / "output.txt";
  run_program_into(arguments, folder, output);
  return read_file(output);
}

}  // namespace nala::data
