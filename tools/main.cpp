// The start of the program. LibTorch takes a third of a second to load, so it hangs on
// libnala_program.so, which is loaded when a command needs it: the version is there at once.

#include <dlfcn.h>
#include <malloc.h>

#include <cstdio>
#include <string_view>

#include "program.h"
#include "version.h"

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--version" || word == "version") {
    std::printf("nalaformer %s (%s)\n", nala::tools::kVersion, nala::tools::kRevision);
    return 0;
  }
  // Large blocks go back to the system and are faulted in again at every step by default; keeping
  // them makes training about a third faster.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  // Global, as if linked: the CUDA libraries that may be loaded later must find the same LibTorch.
  void* const library = dlopen("libnala_program.so", RTLD_NOW | RTLD_GLOBAL);
  void* const entry = library == nullptr ? nullptr : dlsym(library, "nala_program");
  if (entry == nullptr) {
    std::fprintf(stderr, "nalaformer: error: the program's library cannot be loaded: %s\n",
                 dlerror());
    return 1;
  }
  return reinterpret_cast<decltype(&nala_program)>(entry)(argc, argv);
}
