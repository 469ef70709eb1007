// Reading with bounds, writing that never leaves half a file behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace nala {

/// The whole file. Throws Error(file) when it cannot be read, is no regular file, or is larger than
/// `max_bytes` (checked before anything is allocated).
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{1} << 32);

/// Writes beside the target, fsyncs, renames over it, fsyncs the folder: after a crash the old or
/// the new file is there, whole. Makes missing parent folders. Throws Error(file) with the reason
/// (no space left, permission denied, ...) and removes what it wrote.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// A file being written under the rules of write_file(), piece by piece. Without commit() the
/// destructor removes what was written.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(const void* bytes, size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// Makes renames and removals inside a folder durable.
void sync_folder(const std::filesystem::path& folder);

/// Points the symbolic link `link` at `target` (relative to the link's folder) by rename.
void replace_link(const std::filesystem::path& target, const std::filesystem::path& link);

/// SHA-256 of bytes or of a file's content, 64 lower-case hexadecimal digits.
std::string sha256(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);

/// An exclusive lock on a folder, held until destruction or the end of the process.
class FolderLock {
 public:
  /// Throws Error(file) naming the process that holds the lock, if one does.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace nala
