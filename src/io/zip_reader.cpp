#include "io/zip_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "io/shown.h"

namespace nala::io {
namespace {

// Signatures and sizes of the fixed parts (APPNOTE 4.3).
constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryEntry = 0x02014b50;
constexpr uint32_t kDirectoryEnd = 0x06054b50;
constexpr uint32_t kDirectoryEnd64 = 0x06064b50;
constexpr uint32_t kLocator64 = 0x07064b50;
constexpr uint64_t kLocalSize = 30;
constexpr uint64_t kEntrySize = 46;
constexpr uint64_t kEndSize = 22;
constexpr uint64_t kEnd64Size = 56;
constexpr uint64_t kLocatorSize = 20;
constexpr uint64_t kMaxComment = 0xffff;
constexpr uint64_t kMaxDirectory = uint64_t{64} << 20;
constexpr uint16_t kIn64 = 1;  // id of the extra field with 64-bit sizes

// Little-endian number at a place that the caller has checked.
template <class T>
T at(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// CRC-32 (polynomial 0xedb88320), eight bytes at a time: kTables[k] advances a byte by k + 1 bytes.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0U);
    }
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t i = 0; i < 256; ++i) {
      const uint32_t before = tables[k - 1][i];
      tables[k][i] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}();

uint32_t crc32(const unsigned char* bytes, uint64_t size) {
  uint32_t crc = 0xffffffffU;
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    word ^= crc;
    crc = 0;
    for (size_t k = 0; k < 8; ++k) {
      crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
    }
  }
  for (; size > 0; --size, ++bytes) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ *bytes) & 0xff];
  }
  return ~crc;
}

// Numbers too large for an entry stand in its extra field, in a fixed order.
class Extra64 {
 public:
  explicit Extra64(std::string_view extra) {
    while (extra.size() >= 4) {
      const auto size = at<uint16_t>(extra, 2);
      if (size > extra.size() - 4) {
        return;
      }
      if (at<uint16_t>(extra, 0) == kIn64) {
        numbers_ = extra.substr(4, size);
        return;
      }
      extra.remove_prefix(4U + size);
    }
  }
  // The number itself, or the next of the field where it says so.
  uint64_t resolve(uint32_t number) {
    if (number != 0xffffffffU || numbers_.size() < 8) {
      return number;
    }
    const auto value = at<uint64_t>(numbers_, 0);
    numbers_.remove_prefix(8);
    return value;
  }

 private:
  std::string_view numbers_;
};

}  // namespace

ZipReader::ZipReader(ByteSource source) : source_(std::move(source)) {
  read_directory(find_directory());
  check_overlaps();
}

void ZipReader::refuse(const std::string& what) const {
  throw Error(ErrorKind::checkpoint, source_.name() + ": " + what);
}

ZipReader::Directory ZipReader::find_directory() const {
  const uint64_t tail_size = std::min(source_.size(), kEndSize + kMaxComment);
  const uint64_t tail_offset = source_.size() - tail_size;
  const std::string tail = source_.read(tail_offset, tail_size);
  for (uint64_t end = tail_size >= kEndSize ? tail_size - kEndSize + 1 : 0; end-- > 0;) {
    if (at<uint32_t>(tail, end) != kDirectoryEnd ||
        at<uint16_t>(tail, end + 20) != tail_size - end - kEndSize) {
      continue;
    }
    const Directory directory{.offset = at<uint32_t>(tail, end + 16),
                              .size = at<uint32_t>(tail, end + 12),
                              .count = at<uint16_t>(tail, end + 10)};
    if (end < kLocatorSize || at<uint32_t>(tail, end - kLocatorSize) != kLocator64) {
      return directory;
    }
    const std::string end64 = source_.read(at<uint64_t>(tail, end - kLocatorSize + 8), kEnd64Size);
    if (at<uint32_t>(end64, 0) != kDirectoryEnd64) {
      refuse("its zip64 directory is damaged");
    }
    return {.offset = at<uint64_t>(end64, 48),
            .size = at<uint64_t>(end64, 40),
            .count = at<uint64_t>(end64, 32)};
  }
  refuse("has no zip directory at its end; it is cut short or not written by torch.save");
}

void ZipReader::read_directory(const Directory& directory) {
  if (directory.size > kMaxDirectory) {
    refuse("its zip directory is too large");
  }
  const std::string bytes = source_.read(directory.offset, directory.size);
  std::string_view rest = bytes;
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (rest.size() < kEntrySize || at<uint32_t>(rest, 0) != kDirectoryEntry) {
      refuse("its zip directory is damaged");
    }
    const size_t name_size = at<uint16_t>(rest, 28);
    const size_t extra_size = at<uint16_t>(rest, 30);
    const size_t size = kEntrySize + name_size + extra_size + at<uint16_t>(rest, 32);
    if (size > rest.size()) {
      refuse("its zip directory is damaged");
    }
    Extra64 extra(rest.substr(kEntrySize + name_size, extra_size));
    const uint64_t full = extra.resolve(at<uint32_t>(rest, 24));
    const uint64_t packed = extra.resolve(at<uint32_t>(rest, 20));
    const uint64_t header = extra.resolve(at<uint32_t>(rest, 42));
    const bool stored = at<uint16_t>(rest, 10) == 0 && full == packed &&
                        (at<uint16_t>(rest, 8) & 1) == 0;  // neither compressed nor encrypted
    const Record record{content_offset(header), packed, at<uint32_t>(rest, 16), stored};
    if (record.size > source_.size() - record.offset) {
      refuse("a record of it lies beyond its end; it is cut short or damaged");
    }
    if (!records_.emplace(rest.substr(kEntrySize, name_size), record).second) {
      refuse("holds a record twice");
    }
    rest.remove_prefix(size);
  }
}

uint64_t ZipReader::content_offset(uint64_t header) const {
  const std::string local = source_.read(header, kLocalSize);
  const uint64_t offset = header + kLocalSize + at<uint16_t>(local, 26) + at<uint16_t>(local, 28);
  if (at<uint32_t>(local, 0) != kLocalHeader || offset > source_.size()) {
    refuse("a record of it is damaged");
  }
  return offset;
}

void ZipReader::check_overlaps() const {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto& [name, record] : records_) {
    ranges.emplace_back(record.offset, record.offset + record.size);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      refuse("records of it overlap");
    }
  }
}

uint64_t ZipReader::size_of(const std::string& record) const {
  const auto found = records_.find(record);
  if (found == records_.end()) {
    refuse("has no record " + in_quotes(record));
  }
  return found->second.size;
}

void ZipReader::read(const std::string& record, void* to) const {
  const uint64_t size = size_of(record);
  const Record& place = records_.find(record)->second;
  if (!place.stored) {
    refuse("the record " + in_quotes(record) + " is compressed, which torch.save never does");
  }
  source_.read(place.offset, to, size);
  const bool recorded = place.crc != 0;  // torch.save can be told to leave it at 0
  if (recorded && crc32(static_cast<const unsigned char*>(to), size) != place.crc) {
    refuse("the record " + in_quotes(record) + " is damaged (its checksum differs)");
  }
}

}  // namespace nala::io
