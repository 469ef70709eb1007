// Reads the records of a zip file that does not compress: what torch.save writes.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "io/byte_source.h"

namespace nala::io {

/// The records of an uncompressed zip file (PKWARE APPNOTE 6.3; zip64 included).
///
/// The directory is checked when it is opened: every record inside the file, no two overlapping (so
/// that all records together are no larger than the file), no name twice. The content is checked
/// against its CRC-32 (unless that is 0: not recorded) when it is read, which LibTorch's own reader
/// does not do. Reading is thread-safe.
class ZipReader {
 public:
  /// Throws Error(checkpoint) naming the source on anything that is not such a file.
  explicit ZipReader(ByteSource source);

  struct Record {
    uint64_t offset = 0;  ///< of the content in the file
    uint64_t size = 0;    ///< bytes
    uint32_t crc = 0;
    bool stored = true;  ///< not compressed; others can be listed but not read
  };
  [[nodiscard]] const std::map<std::string, Record>& records() const { return records_; }
  [[nodiscard]] const std::string& name() const { return source_.name(); }

  /// The record's size in bytes. Throws Error(checkpoint) when there is none of this name.
  [[nodiscard]] uint64_t size_of(const std::string& record) const;
  /// Copies the whole record, `size_of(record)` bytes. Throws Error(checkpoint) when it is damaged.
  void read(const std::string& record, void* to) const;

 private:
  struct Directory {
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t count = 0;
  };
  [[nodiscard]] Directory find_directory() const;
  void read_directory(const Directory& directory);
  [[nodiscard]] uint64_t content_offset(uint64_t header) const;
  void check_overlaps() const;
  [[noreturn]] void refuse(const std::string& what) const;

  ByteSource source_;
  std::map<std::string, Record> records_;
};

}  // namespace nala::io
