#include "data/datasets/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "core/error.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBlock = 512;
// Of a pax header or a long name; real ones have a few hundred bytes.
constexpr uint64_t kMaxExtension = 1 << 20;

// Fields of a ustar header: where they begin and how long they are.
struct Field {
  size_t at, length;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kSize{124, 12}, kTime{136, 12}, kChecksum{148, 8},
    kMagic{257, 6}, kPrefix{345, 155};
constexpr size_t kType = 156;

using Block = std::array<char, kBlock>;

[[noreturn]] void refuse(const fs::path& archive, uint64_t offset, const std::string& what) {
  throw Error(ErrorKind::data, archive.string() + ": byte " + std::to_string(offset) + ": " + what);
}

std::string text_of(const Block& block, const Field& field) {
  const char* begin = block.data() + field.at;
  return {begin, std::find(begin, begin + field.length, '\0')};
}

// Octal digits, padded with spaces or zero bytes; -1 when it is anything else.
int64_t octal(const Block& block, const Field& field) {
  std::string text = text_of(block, field);
  text.erase(0, text.find_first_not_of(' '));
  text.erase(std::min(text.find(' '), text.size()));
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

// The sum of the header's bytes, its own field counted as spaces.
int64_t checksum_of(const Block& block) {
  int64_t sum = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.at && i < kChecksum.at + kChecksum.length;
    sum += own ? ' ' : static_cast<uint8_t>(block[i]);
  }
  return sum;
}

// `length key=value` records, of which path and size matter.
struct PaxRecords {
  std::string path;
  int64_t size = -1;
};

bool read_pax(std::string_view text, PaxRecords& records) {
  while (!text.empty()) {
    size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const size_t digits = static_cast<size_t>(end - text.data());
    if (error != std::errc() || length > text.size() || length < digits + 3 ||
        text[digits] != ' ') {
      return false;
    }
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    if (record.starts_with("path=")) {
      records.path = record.substr(5);
    } else if (record.starts_with("size=")) {
      const std::string_view number = record.substr(5);
      const auto result =
          std::from_chars(number.data(), number.data() + number.size(), records.size);
      if (result.ec != std::errc() || records.size < 0) {
        return false;
      }
    }
    text.remove_prefix(length);
  }
  return true;
}

class Lister {
 public:
  explicit Lister(const fs::path& archive) : archive_(archive), file_(archive, std::ios::binary) {
    std::error_code error;
    length_ = fs::file_size(archive, error);
    if (error || !file_) {
      throw Error(ErrorKind::file, archive.string() + ": cannot be read");
    }
  }

  std::vector<TarMember> run() {
    while (read_block()) {
      member();
    }
    return std::move(members_);
  }

 private:
  // False at the end mark.
  bool read_block() {
    if (at_ + kBlock > length_) {
      refuse(archive_, at_, "the archive ends without an end mark; it is truncated, or no tar");
    }
    file_.seekg(static_cast<std::streamoff>(at_));
    if (!file_.read(block_.data(), kBlock)) {
      throw Error(ErrorKind::file, archive_.string() + ": cannot be read");
    }
    if (std::all_of(block_.begin(), block_.end(), [](char byte) { return byte == '\0'; })) {
      return false;
    }
    if (octal(block_, kChecksum) != checksum_of(block_)) {
      refuse(archive_, at_, "no tar header (shards must be plain, uncompressed tar files)");
    }
    return true;
  }

  void member() {
    int64_t size = octal(block_, kSize);
    const char type = block_[kType];
    const bool file = type == '0' || type == '\0';
    if (file && pax_.size >= 0) {
      size = pax_.size;
    }
    if (size < 0 || static_cast<uint64_t>(size) > length_ - at_ - kBlock) {
      refuse(archive_, at_, "a member that reaches beyond the end of the archive");
    }
    const auto bytes = static_cast<uint64_t>(size);
    if (type == 'x' || type == 'L') {
      extension(type, bytes);
    } else {
      if (file) {
        members_.push_back({name(), at_ + kBlock, bytes});
      }
      pax_ = {};
    }
    at_ += kBlock + (bytes + kBlock - 1) / kBlock * kBlock;
  }

  // What the next member's header has no room for.
  void extension(char type, uint64_t bytes) {
    if (bytes > kMaxExtension) {
      refuse(archive_, at_, "an extended header of " + std::to_string(bytes) + " bytes");
    }
    const std::string text = read_range(archive_, at_ + kBlock, bytes);
    if (type == 'L') {
      pax_.path = text.substr(0, text.find('\0'));
    } else if (!read_pax(text, pax_)) {
      refuse(archive_, at_, "a malformed pax header");
    }
  }

  [[nodiscard]] std::string name() const {
    if (!pax_.path.empty()) {
      return pax_.path;
    }
    const bool ustar = text_of(block_, kMagic).starts_with("ustar");
    const std::string prefix = ustar ? text_of(block_, kPrefix) : "";
    return prefix.empty() ? text_of(block_, kName) : prefix + "/" + text_of(block_, kName);
  }

  fs::path archive_;
  std::ifstream file_;
  uint64_t length_ = 0;
  uint64_t at_ = 0;
  Block block_{};
  PaxRecords pax_;  // for the next member
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> list_tar(const fs::path& archive) {
  return Lister(archive).run();
}

std::string read_range(const fs::path& path, uint64_t offset, uint64_t size) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(size, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) {
    throw Error(ErrorKind::file, path.string() + ": cannot read " + std::to_string(size) +
                                     " bytes at " + std::to_string(offset));
  }
  return bytes;
}

void TarWriter::add(const std::string& name, std::string_view bytes) {
  if (name.size() > kName.length || bytes.size() >= uint64_t{1} << 33) {
    throw Error(ErrorKind::data, name + ": name or size too large for a shard");
  }
  Block block{};
  const auto put = [&](const Field& field, const std::string& text) {
    std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(field.at));
  };
  const auto octal_text = [](uint64_t value, int digits) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "%0*llo", digits,
                  static_cast<unsigned long long>(value));
    return std::string(text.data());
  };
  put(kName, name);
  put(kMode, "0000644");
  put({108, 8}, "0000000");  // user
  put({116, 8}, "0000000");  // group
  put(kSize, octal_text(bytes.size(), 11));
  put(kTime, octal_text(0, 11));  // the same bytes whenever it is written
  put(kMagic, "ustar");
  put({263, 2}, "00");  // version
  block[kType] = '0';
  put(kChecksum, octal_text(static_cast<uint64_t>(checksum_of(block)), 6));
  block[kChecksum.at + 6] = '\0';
  block[kChecksum.at + 7] = ' ';
  file_.write(block.data(), block.size());
  file_.write(bytes);
  const std::string padding((kBlock - bytes.size() % kBlock) % kBlock, '\0');
  file_.write(padding);
}

void TarWriter::commit() {
  const std::string end(2 * kBlock, '\0');
  file_.write(end);
  file_.commit();
}

}  // namespace nala::data
