// A folder for the files of one piece of work.
#pragma once

#include <filesystem>

namespace nala::tools {

/// Made in the system's folder for such, and gone with the object. Throws Error(file) when it
/// cannot be made.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace nala::tools
