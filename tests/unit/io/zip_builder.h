// Makes uncompressed zip files for tests, right or wrong ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nala::io {

struct ZipEntry {
  std::string name;
  std::string content;
  uint32_t crc = 0;  ///< 0: not recorded
};

inline std::string zip_number(uint64_t value, size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes && i < 8; ++i) {
    text[i] = static_cast<char>(value >> (8 * i));
  }
  return text;
}

/// A zip file with one local header and one directory entry per entry.
inline std::string build_zip(const std::vector<ZipEntry>& entries) {
  std::string file;
  std::string directory;
  for (const auto& [name, content, crc] : entries) {
    const std::string sizes = zip_number(crc, 4) + zip_number(content.size(), 4) +
                              zip_number(content.size(), 4) + zip_number(name.size(), 2) +
                              zip_number(0, 2);
    const std::string version_to_date = std::string("\x14\0\0\0\0\0\0\0\0\0", 10);
    directory += "PK\001\002" + zip_number(20, 2) + version_to_date + sizes + zip_number(0, 10) +
                 zip_number(file.size(), 4) + name;
    file += "PK\003\004" + version_to_date + sizes + name + content;
  }
  const uint64_t offset = file.size();
  return file + directory + "PK\005\006" + zip_number(0, 4) + zip_number(entries.size(), 2) +
         zip_number(entries.size(), 2) + zip_number(directory.size(), 4) + zip_number(offset, 4) +
         zip_number(0, 2);
}

}  // namespace nala::io
