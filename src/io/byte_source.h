// Bytes at places: a file, or memory standing for one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace nala::io {

/// Something of known size that is read at any place. Reading is thread-safe.
class ByteSource {
 public:
  /// A regular file, kept open. Throws Error(file) naming it.
  static ByteSource of_file(const std::filesystem::path& path);
  /// Memory, which must outlive the source; `name` stands for the file in errors.
  static ByteSource of_memory(std::string_view bytes, std::string name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] uint64_t size() const { return size_; }

  /// Copies bytes [offset, offset + size). Throws Error(checkpoint) when they lie beyond the end,
  /// Error(file) when reading fails.
  void read(uint64_t offset, void* to, uint64_t size) const;
  /// The same as text; the bounds are checked before anything is allocated.
  [[nodiscard]] std::string read(uint64_t offset, uint64_t size) const;

 private:
  using Read = std::function<void(uint64_t offset, void* to, uint64_t size)>;
  ByteSource(std::string name, uint64_t size, Read read)
      : name_(std::move(name)), size_(size), read_(std::move(read)) {}
  void check(uint64_t offset, uint64_t size) const;

  std::string name_;
  uint64_t size_;
  Read read_;
};

}  // namespace nala::io
