#include "io/events.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "core/error.h"

namespace nala::io {
namespace {

// Wire types of protocol buffers.
enum class Wire : uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
    }
    table[i] = value;
  }
  return table;
}

// TFRecord's mask: a CRC of data that holds CRCs would be weak.
uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

template <class Unsigned>
void put_fixed(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(value); ++i) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) {
    out.push_back(static_cast<char>(value | 0x80));
  }
  out.push_back(static_cast<char>(value));
}

void put_key(std::string& out, uint64_t field, Wire wire) {
  put_varint(out, field << 3 | static_cast<uint64_t>(wire));
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, Wire::bytes);
  put_varint(out, bytes.size());
  out.append(bytes);
}

// Event: 1 wall_time (double), 2 step (int64).
std::string event_at(int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, 1, Wire::fixed64);
  put_fixed(event, std::bit_cast<uint64_t>(now.count()));
  put_key(event, 2, Wire::varint);
  put_varint(event, static_cast<uint64_t>(step));
  return event;
}

// Summary.Value: 1 tag, 2 simple_value (float).
std::string value_of(const std::string& tag, double number) {
  std::string value;
  put_bytes(value, 1, tag);
  put_key(value, 2, Wire::fixed32);
  put_fixed(value, std::bit_cast<uint32_t>(static_cast<float>(number)));
  return value;
}

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(ErrorKind::file, path.string() + ": cannot write: " + std::strerror(errno));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

EventWriter::EventWriter(const std::filesystem::path& folder, int64_t first_step) {
  // TensorBoard reads the files of a folder in the order of their names: the time comes first.
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  std::string fraction = std::to_string(nanoseconds % 1'000'000'000);
  fraction.insert(0, 9 - fraction.size(), '0');
  path_ = folder / ("events.out.tfevents." + std::to_string(nanoseconds / 1'000'000'000) +
                    ".nalaformer." + fraction);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail(path_);
  }
  std::string version = event_at(0);
  put_bytes(version, 3, "brain.Event:2");
  append(version);
  // SessionLog{1 status: START}: values of other files from this step on are void.
  std::string start = event_at(first_step);
  put_bytes(start, 7, std::string_view("\x08\x01", 2));
  append(start);
}

EventWriter::~EventWriter() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void EventWriter::add(int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, number] : scalars) {
    put_bytes(summary, 1, value_of(tag, number));
  }
  std::string event = event_at(step);
  put_bytes(event, 5, summary);
  append(event);
}

void EventWriter::append(std::string_view message) {
  std::string record;
  put_fixed(record, static_cast<uint64_t>(message.size()));
  put_fixed(record, masked_crc(record));
  record.append(message);
  put_fixed(record, masked_crc(message));
  // One write per record: a reader never sees half of one.
  const ssize_t written = ::write(descriptor_, record.data(), record.size());
  if (written != static_cast<ssize_t>(record.size())) {
    errno = written < 0 ? errno : ENOSPC;
    fail(path_);
  }
}

}  // namespace nala::io
