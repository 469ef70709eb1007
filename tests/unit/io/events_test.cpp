#include "io/events.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/files.h"

namespace nala::io {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "nala_events_XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

uint64_t fixed(std::string_view bytes, size_t at, size_t length) {
  uint64_t value = 0;
  for (size_t i = 0; i < length; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

uint64_t unmasked(uint64_t masked) {
  const auto rotated = static_cast<uint32_t>(masked - 0xA282EAD8U);
  return rotated >> 17 | static_cast<uint64_t>(rotated << 15);
}

// The messages of a file whose framing holds.
std::vector<std::string> messages(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::vector<std::string> found;
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t length = fixed(bytes, at, 8);
    EXPECT_EQ(unmasked(fixed(bytes, at + 8, 4)), crc32c(bytes.substr(at, 8)));
    found.push_back(bytes.substr(at + 12, length));
    EXPECT_EQ(unmasked(fixed(bytes, at + 12 + length, 4)), crc32c(found.back()));
    at += 16 + length;
  }
  return found;
}

TEST(Crc32c, HasTheValuesOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
}

TEST(EventWriter, WritesRecordsThatTensorBoardReads) {
  const Folder folder;
  EventWriter writer(folder.path, 300);
  EXPECT_TRUE(writer.path().filename().string().starts_with("events.out.tfevents."));
  writer.add(300, {{"train/loss", 2.5}, {"lr", 1e-3}});
  const auto events = messages(writer.path());
  ASSERT_EQ(events.size(), 3U);
  // Field 1: nine bytes of wall time; then the step, then what the event says.
  EXPECT_EQ(events[0].substr(9), std::string("\x10\x00\x1A\x0D"
                                             "brain.Event:2",
                                             17));
  EXPECT_EQ(events[1].substr(9), std::string("\x10\xAC\x02\x3A\x02\x08\x01", 7));
  const std::string loss = std::string(
      "\x0A\x11\x0A\x0A"
      "train/loss"
      "\x15\x00\x00\x20\x40",
      19);
  const std::string rate = std::string(
      "\x0A\x09\x0A\x02"
      "lr"
      "\x15\x6F\x12\x83\x3A",
      11);
  EXPECT_EQ(events[2].substr(9), std::string("\x10\xAC\x02\x2A\x1E", 5) + loss + rate);
}

TEST(EventWriter, NamesTheFolderItCannotWriteTo) {
  EXPECT_THROW(EventWriter("/nonexistent/folder", 0), Error);
}

}  // namespace
}  // namespace nala::io
