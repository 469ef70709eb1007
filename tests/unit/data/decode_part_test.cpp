#include <gtest/gtest.h>

#include <turbojpeg.h>

#include "core/rng.h"
#include "data/image_io.h"
#include "data/transforms/crop.h"
#include "support.h"

namespace nala::data {
namespace {

// A smooth picture with grain, as a JPEG with the given subsampling.
std::string jpeg(int64_t width, int64_t height, int subsampling, int flags) {
  Image image = noise(width, height);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t i = 0; i < 3 * width; ++i) {
      image.row(y)[i] = static_cast<uint8_t>(image.row(y)[i] / 4 + (i * 3 + y * (i % 3)) % 190);
    }
  }
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const tjhandle handle = tjInitCompress();
  tjCompress2(handle, image.pixels.data(), static_cast<int>(width), 0, static_cast<int>(height),
              TJPF_RGB, &buffer, &size, subsampling, 88, flags);
  std::string bytes(reinterpret_cast<const char*>(buffer), size);
  tjFree(buffer);
  tjDestroy(handle);
  return bytes;
}

Image part_of(const std::string& bytes, const Window& window) {
  return decode_part(bytes, "it", [&](int64_t, int64_t) { return Part{window}; }).image;
}

void expect_windows_equal(const std::string& bytes, const std::string& name, int windows) {
  const Image whole = decode(bytes, name);
  Rng rng(Stream::augment, {static_cast<uint64_t>(whole.width), 17});
  for (int i = 0; i < windows; ++i) {
    const int64_t width = 1 + rng.integer(whole.width);
    const int64_t height = 1 + rng.integer(whole.height);
    const Window window{rng.integer(whole.width - width + 1),
                        rng.integer(whole.height - height + 1), width, height};
    ASSERT_EQ(part_of(bytes, window), crop(whole, window))
        << name << " " << window.left << "," << window.top << " " << width << "x" << height;
  }
}

TEST(DecodePart, GivesThePixelsOfTheWhole) {
  for (const int subsampling :
       {TJSAMP_444, TJSAMP_422, TJSAMP_420, TJSAMP_GRAY, TJSAMP_440, TJSAMP_411}) {
    for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
      for (const auto& [width, height] : {std::pair{150, 131}, {33, 200}, {200, 17}, {7, 5}}) {
        expect_windows_equal(jpeg(width, height, subsampling, flags),
                             "subsampling " + std::to_string(subsampling), 40);
      }
    }
  }
}

TEST(DecodePart, GivesThePixelsOfEveryKindOfFile) {
  for (const auto& entry : std::filesystem::directory_iterator(test_folder() / "pictures")) {
    expect_windows_equal(read_file(entry.path()), entry.path().filename().string(), 12);
  }
}

TEST(DecodePart, GivesThePixelsOfRealPictures) {
  const auto folder = shared_folder() / "data/cls/imagenet_sample/val";
  if (!std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "no real pictures: set NALA_SHARED";
  }
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && ++count % 20 == 0) {
      expect_windows_equal(read_file(entry.path()), entry.path().string(), 3);
    }
  }
}

TEST(DecodePart, TellsTheSizeAndAsksOnce) {
  int asked = 0;
  const DecodedPart part =
      decode_part(jpeg(90, 70, TJSAMP_420, 0), "it", [&](int64_t width, int64_t height) {
        ++asked;
        EXPECT_EQ(width, 90);
        EXPECT_EQ(height, 70);
        return Part{{10, 20, 30, 40}};
      });
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(part.width, 90);
  EXPECT_EQ(part.height, 70);
  EXPECT_EQ(part.image.width, 30);
  EXPECT_EQ(part.image.height, 40);
}

TEST(DecodePart, ComesSmallerOnlyWhereAsked) {
  const std::string bytes = jpeg(400, 300, TJSAMP_420, 0);
  const auto size = [&](const Part& asked) {
    const Image image = decode_part(bytes, "it", [&](int64_t, int64_t) { return asked; }).image;
    return std::pair(image.width, image.height);
  };
  EXPECT_EQ(size({{0, 0, 400, 300}, 100, 100}), std::pair(int64_t{200}, int64_t{150}));
  EXPECT_EQ(size({{0, 0, 400, 300}, 100, 75}), std::pair(int64_t{100}, int64_t{75}));
  EXPECT_EQ(size({{0, 0, 400, 300}, 10, 10}), std::pair(int64_t{50}, int64_t{38}));
  EXPECT_EQ(size({{9, 11, 202, 190}, 100, 95}), std::pair(int64_t{102}, int64_t{96}));
  EXPECT_EQ(size({{0, 0, 400, 300}, 201, 10}), std::pair(int64_t{400}, int64_t{300}));
}

TEST(DecodePart, ATruncatedFileIsOneEvenWhereTheWindowIsWhole) {
  const std::string bytes = jpeg(200, 160, TJSAMP_420, 0);
  for (size_t length = 0; length < bytes.size() - 2; length += 97) {
    EXPECT_THROW(static_cast<void>(part_of(bytes.substr(0, length), {0, 0, 8, 8})), ImageError)
        << length << " of " << bytes.size();
  }
}

TEST(DecodePart, DamageInTheWindowIsAnError) {
  std::string bytes = jpeg(200, 160, TJSAMP_420, 0);
  // A marker in the middle of the entropy-coded data.
  bytes[bytes.size() / 2] = static_cast<char>(0xFF);
  bytes[bytes.size() / 2 + 1] = static_cast<char>(0xC4);
  EXPECT_THROW(static_cast<void>(part_of(bytes, {0, 0, 200, 160})), ImageError);
}

TEST(DecodePart, OfADamagedFileIsThePartOfItsWholeOrAnError) {
  int reported = 0;
  for (uint64_t i = 0; i < 600; ++i) {
    Rng rng(Stream::augment, {i, 77});
    std::string bytes =
        jpeg(64, 48, i % 2 == 0 ? TJSAMP_420 : TJSAMP_444, i % 3 == 0 ? TJFLAG_PROGRESSIVE : 0);
    for (uint64_t flips = 0; flips <= i % 4; ++flips) {
      char& byte = bytes[static_cast<size_t>(rng.integer(std::ssize(bytes)))];
      byte = static_cast<char>(byte ^ (1 << rng.integer(8)));
    }
    Window window;
    const auto choose = [&](int64_t width, int64_t height) {
      window.width = 1 + rng.integer(width);
      window.height = 1 + rng.integer(height);
      window.left = rng.integer(width - window.width + 1);
      window.top = rng.integer(height - window.height + 1);
      return Part{window};
    };
    try {
      const Image part = decode_part(bytes, "it", choose).image;
      ASSERT_EQ(part.width, window.width);
      ASSERT_EQ(part, crop(decode(bytes, "it"), window)) << i;
    } catch (const ImageError&) {
      ++reported;
    }
  }
  // JPEG has no checksum: most flips go unnoticed.
  EXPECT_GT(reported, 60);
  EXPECT_LT(reported, 540);
}

}  // namespace
}  // namespace nala::data
