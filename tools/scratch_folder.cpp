#include "scratch_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace nala::tools {

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "nalaformer-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::file, name + ": cannot be made: " + std::strerror(errno));
  }
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace nala::tools
