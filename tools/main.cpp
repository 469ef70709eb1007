// The start of the program. LibTorch takes a third of a second to load, so it hangs on
// libnala_program.so, which is loaded when a command needs it: the version is there at once.

#include <dlfcn.h>
#include <malloc.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "find_torch.h"
#include "program.h"
#include "version.h"

namespace {

// Global, as if linked: the CUDA libraries that may be loaded later must find the same LibTorch.
void* open_program() {
  return dlopen("libnala_program.so", RTLD_NOW | RTLD_GLOBAL);
}

// Puts the program's function into `entry`. Returns what is wrong, or an empty text.
std::string load_program(void*& entry) {
  std::string problem = nala::tools::load_stated_torch();
  if (!problem.empty()) {
    return problem;
  }
  void* library = open_program();
  if (library == nullptr) {
    problem = dlerror();
    if (problem.find("libtorch") == std::string::npos &&
        problem.find("libc10") == std::string::npos) {
      return problem;
    }
    problem = nala::tools::load_torch_of_python();
    if (!problem.empty()) {
      return problem;
    }
    library = open_program();
  }
  entry = library == nullptr ? nullptr : dlsym(library, "nala_program");
  return entry == nullptr ? dlerror() : "";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--version" || word == "version") {
    std::printf("nalaformer %s (%s)\n", nala::tools::kVersion, nala::tools::kRevision);
    return 0;
  }
  // Large blocks go back to the system and are faulted in again at every step by default; keeping
  // them makes training about a third faster.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  void* entry = nullptr;
  const std::string problem = load_program(entry);
  if (!problem.empty()) {
    std::fprintf(stderr, "nalaformer: error: the program cannot be loaded: %s\n", problem.c_str());
    return 1;
  }
  return reinterpret_cast<decltype(&nala_program)>(entry)(argc, argv);
}
