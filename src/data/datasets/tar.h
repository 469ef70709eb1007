// Tar archives, as shards need them, through libarchive.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"

struct archive;  // libarchive's

namespace nala::data {

struct TarMember {
  std::string name;
  uint64_t offset = 0;  ///< of its bytes in the archive
  uint64_t size = 0;
};

/// The plain files of an uncompressed archive, in its order; other members are passed over. Reads
/// headers alone. Throws Error(data) naming the archive and the place for a damaged header, a
/// member that reaches beyond the end, a compressed archive (a picture could not be read out of its
/// middle), and an archive without its end mark.
std::vector<TarMember> list_tar(const std::filesystem::path& archive);

/// Bytes [offset, offset + size) of a file. Throws Error(file).
std::string read_range(const std::filesystem::path& path, uint64_t offset, uint64_t size);

/// Writes an archive of the ustar form under the rules of write_file(): the same members give the
/// same bytes.
class TarWriter {
 public:
  /// Throws Error(file).
  explicit TarWriter(const std::filesystem::path& path);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  /// Adds a plain file. Throws Error(data) for a name or size that ustar has no room for,
  /// Error(file).
  void add(const std::string& name, std::string_view bytes);
  /// Writes the end mark and puts the archive in place. Throws Error(file).
  void commit();

 private:
  struct FreeWriter {
    void operator()(archive* writer) const;
  };
  // Throws what a call into libarchive met.
  void require(int64_t result);

  std::filesystem::path path_;
  FileWriter file_;
  std::exception_ptr failure_;  // of file_, met inside libarchive
  std::unique_ptr<archive, FreeWriter> writer_;
};

}  // namespace nala::data
