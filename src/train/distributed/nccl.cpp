#include <dlfcn.h>

#include <filesystem>

#include "core/error.h"
#include "train/distributed/backends.h"

namespace nala::train {
namespace {

// Beside the library or program that this function is part of.
std::filesystem::path library_path() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&make_nccl), &info) == 0 || info.dli_fname == nullptr) {
    return "libnala_nccl.so";
  }
  return std::filesystem::path(info.dli_fname).parent_path() / "libnala_nccl.so";
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store,
                                            const BackendOptions& options) {
  const std::filesystem::path path = library_path();
  void* const library = ::dlopen(path.c_str(), RTLD_NOW);
  void* const entry = library == nullptr ? nullptr : ::dlsym(library, "nala_make_nccl");
  if (entry == nullptr) {
    throw Error(ErrorKind::usage,
                std::string("several processes on CUDA need NCCL: ") + ::dlerror() +
                    "; build it on a machine with a CUDA toolkit (NALA_WITH_CUDA=ON)");
  }
  return c10::intrusive_ptr<c10d::Backend>::reclaim(
      reinterpret_cast<MakeNccl*>(entry)(store, options));
}

}  // namespace nala::train
