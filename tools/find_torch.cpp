#include "find_torch.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace nala::tools {
namespace {

constexpr const char* kAskPython =
    "python3 -c 'import importlib.util as u; s = u.find_spec(\"torch\"); "
    "print(s.submodule_search_locations[0] if s else \"\")' 2>/dev/null";

// Libraries loaded later that name it find this one.
std::string load_torch(const std::string& folder) {
  const std::string library = folder + "/lib/libtorch_cpu.so";
  return ::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr ? ::dlerror() : "";
}

}  // namespace

std::string load_stated_torch() {
  const char* const folder = std::getenv("NALA_TORCH_DIR");
  if (folder == nullptr || *folder == '\0') {
    return "";
  }
  const std::string problem = load_torch(folder);
  return problem.empty() ? "" : "NALA_TORCH_DIR=" + std::string(folder) + ": " + problem;
}

std::string load_torch_of_python() {
  std::string folder;
  if (FILE* const output = ::popen(kAskPython, "r")) {
    for (int c = std::fgetc(output); c != EOF && c != '\n'; c = std::fgetc(output)) {
      folder += static_cast<char>(c);
    }
    ::pclose(output);
  }
  if (folder.empty()) {
    return "LibTorch 2.11 was not found: set NALA_TORCH_DIR to the folder that holds its lib/, or "
           "install the torch package for python3";
  }
  return load_torch(folder);
}

}  // namespace nala::tools
