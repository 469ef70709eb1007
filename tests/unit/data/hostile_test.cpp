// Files that are not what they seem: every one is a named error, none a crash or a picture.
#include <gtest/gtest.h>

#include "core/rng.h"
#include "support.h"

namespace nala::data {
namespace {

std::string picture_bytes(const std::string& name) {
  return read_file(test_folder() / "pictures" / name);
}

std::optional<Fault> fault_of(std::string_view bytes) {
  try {
    decode(bytes, "x");
  } catch (const ImageError& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with("x: ")) << error.what();
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
    return error.fault();
  }
  return std::nullopt;
}

class EveryPrefix : public testing::TestWithParam<const char*> {};

TEST_P(EveryPrefix, IsAnError) {
  const std::string bytes = picture_bytes(GetParam());
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_TRUE(fault_of({bytes.data(), size}).has_value())
        << size << " of " << bytes.size() << " bytes were taken for a picture";
  }
  EXPECT_EQ(fault_of(bytes), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Hostile,
                         EveryPrefix,
                         testing::Values("rgb420.jpg",
                                         "progressive.jpg",
                                         "cmyk.jpg",
                                         "rgb8.png",
                                         "palette4.png",
                                         "rgb8_interlaced.png",
                                         "rgb.bmp",
                                         "rgb.tiff",
                                         "rgb.ppm",
                                         "grey.pgm",
                                         "lossless.webp"));

class EveryBitFlip : public testing::TestWithParam<const char*> {};

TEST_P(EveryBitFlip, IsAnErrorOrAPicture) {
  const std::string original = picture_bytes(GetParam());
  size_t refused = 0;
  for (size_t bit = 0; bit < original.size() * 8; ++bit) {
    std::string bytes = original;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    refused += fault_of(bytes).has_value() ? 1 : 0;
  }
  // JPEG has no checksum: most flips in its data go unnoticed.
  EXPECT_GT(refused, original.size() / 8);
}

INSTANTIATE_TEST_SUITE_P(
    Hostile,
    EveryBitFlip,
    testing::Values("grey.jpg", "palette1.png", "deflate.tiff", "lossless.webp"));

TEST(Hostile, PngNoticesEveryBitFlip) {
  const std::string original = picture_bytes("palette1.png");
  for (size_t bit = 0; bit < original.size() * 8; ++bit) {
    std::string bytes = original;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    // The lengths and names of chunks, too, are under a checksum or make the structure wrong.
    EXPECT_TRUE(fault_of(bytes).has_value()) << "bit " << bit;
  }
}

TEST(Hostile, KindsOfFaultAreToldApart) {
  EXPECT_EQ(fault_of(""), Fault::not_a_picture);
  EXPECT_EQ(fault_of("hello, world"), Fault::not_a_picture);
  EXPECT_EQ(fault_of(std::string(1000, '\0')), Fault::not_a_picture);
  const std::string jpeg = picture_bytes("rgb420.jpg");
  EXPECT_EQ(fault_of(jpeg.substr(0, jpeg.size() / 2)), Fault::truncated);
  EXPECT_EQ(fault_of(jpeg.substr(0, jpeg.size() - 2)), Fault::truncated);
  EXPECT_EQ(fault_of("\xFF\xD8\xFF\xD9"), Fault::corrupt);  // a beginning and an end
  const std::string png = picture_bytes("rgb8.png");
  EXPECT_EQ(fault_of(png.substr(0, png.size() / 2)), Fault::truncated);
  std::string flipped = png;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  EXPECT_EQ(fault_of(flipped), Fault::corrupt);
  const std::string bmp = picture_bytes("rgb.bmp");
  EXPECT_EQ(fault_of(bmp.substr(0, bmp.size() / 2)), Fault::truncated);
}

// A PNG header for a picture of that size, with a right checksum.
std::string png_header(uint32_t width, uint32_t height) {
  const auto number = [](uint32_t value) {
    return std::string{static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                       static_cast<char>(value >> 8), static_cast<char>(value)};
  };
  const std::string body =
      "IHDR" + number(width) + number(height) + std::string("\x08\x02\0\0\0", 5);
  uint32_t crc = 0xFFFFFFFF;
  for (const char letter : body) {
    crc ^= static_cast<uint8_t>(letter);
    for (int i = 0; i < 8; ++i) {
      crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
  }
  return "\x89PNG\r\n\x1A\n" + number(13) + body + number(~crc);
}

TEST(Hostile, BombsAreRefusedByTheirHeaders) {
  EXPECT_EQ(fault_of(png_header(60000, 60000)), Fault::too_large);
  EXPECT_EQ(fault_of(png_header(2'000'000, 1)), Fault::too_large);
  EXPECT_EQ(fault_of("P6\n60000 60000\n255\n"), Fault::truncated);
  EXPECT_EQ(fault_of("P6\n99999999999999999999 1\n255\n"), Fault::too_large);
  // The size field of a JPEG's frame header: 65500 x 65500.
  std::string jpeg = picture_bytes("rgb420.jpg");
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  EXPECT_EQ(fault_of(jpeg), Fault::too_large);
}

TEST(Hostile, NoiseBehindEveryMagicIsRefused) {
  for (const char* name :
       {"rgb420.jpg", "rgb8.png", "rgb.bmp", "rgb.tiff", "rgb.ppm", "lossless.webp"}) {
    const std::string start = picture_bytes(name).substr(0, 12);
    for (uint64_t seed = 0; seed < 300; ++seed) {
      Rng rng(Stream::synthetic, {seed});
      std::string bytes = start;
      for (int64_t i = rng.integer(400); i > 0; --i) {
        bytes += static_cast<char>(rng.integer(256));
      }
      EXPECT_TRUE(fault_of(bytes).has_value() || bytes.starts_with("P6")) << name << " " << seed;
    }
  }
}

TEST(Hostile, ExtensionsDoNotMatter) {
  const TemporaryFolder folder;
  folder.write("really.jpg", picture_bytes("rgb8.png"));
  EXPECT_EQ(read_image(folder.path() / "really.jpg"), decode(picture_bytes("rgb8.png"), "x"));
}

TEST(Hostile, UnreadableFilesAreNamed) {
  const TemporaryFolder folder;
  for (const std::filesystem::path& path : {folder.path() / "missing.jpg", folder.path()}) {
    try {
      read_image(path);
      FAIL() << path;
    } catch (const ImageError& error) {
      EXPECT_EQ(error.fault(), Fault::unreadable);
      EXPECT_TRUE(std::string_view(error.what()).starts_with(path.string())) << error.what();
    }
  }
}

TEST(Hostile, GoodFilesDecodeAfterBadOnes) {
  const std::string good = picture_bytes("rgb420.jpg");
  const Image before = decode(good, "x");
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(fault_of(good.substr(0, 100)).has_value());
    EXPECT_EQ(decode(good, "x"), before);
  }
}

}  // namespace
}  // namespace nala::data
