// Tar archives, as much of them as shards need: plain files in ustar, pax and GNU form.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"

namespace nala::data {

struct TarMember {
  std::string name;
  uint64_t offset = 0;  ///< of its bytes in the archive
  uint64_t size = 0;
};

/// The plain files of an uncompressed archive, in its order; other members are passed over. Reads
/// headers alone. Throws Error(data) naming the archive and the place for a bad checksum or number,
/// a member that reaches beyond the end, a compressed archive, and an archive without its end mark.
std::vector<TarMember> list_tar(const std::filesystem::path& archive);

/// Bytes [offset, offset + size) of a file. Throws Error(file).
std::string read_range(const std::filesystem::path& path, uint64_t offset, uint64_t size);

/// Writes an archive under the rules of write_file().
class TarWriter {
 public:
  explicit TarWriter(const std::filesystem::path& path) : file_(path) {}
  /// Adds a plain file; names of at most 100 bytes. Throws Error(data | file).
  void add(const std::string& name, std::string_view bytes);
  /// Writes the end mark and puts the archive in place.
  void commit();

 private:
  FileWriter file_;
};

}  // namespace nala::data
