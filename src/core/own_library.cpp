#include "core/own_library.h"

#include <dlfcn.h>

#include <filesystem>
#include <vector>

namespace nala {
namespace {

// The folders of the program and of the object file this function is in.
std::vector<std::filesystem::path> own_folders() {
  std::vector<std::filesystem::path> folders;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    folders.push_back(program.parent_path());
  }
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&own_folders), &info) != 0 &&
      info.dli_fname != nullptr) {
    folders.push_back(std::filesystem::absolute(info.dli_fname, error).parent_path());
  }
  return folders;
}

}  // namespace

void* symbol_of_own_library(const std::string& file, const char* symbol, std::string& problem) {
  problem = "it is neither beside the program nor in ../lib";
  for (const auto& folder : own_folders()) {
    for (const auto& path : {folder / file, folder / ".." / "lib" / file}) {
      std::error_code error;
      if (!std::filesystem::exists(path, error)) {
        continue;
      }
      // Never closed: its threads and static objects live as long as the process.
      void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) {
        problem = ::dlerror();
        continue;
      }
      if (void* const found = ::dlsym(library, symbol)) {
        return found;
      }
      problem = path.string() + " lacks " + symbol;
    }
  }
  return nullptr;
}

}  // namespace nala
