#include <gtest/gtest.h>

#include "support.h"

namespace nala::data {
namespace {

void expect_pixels(const std::filesystem::path& folder, const std::vector<std::string>& row) {
  const Image image = read_image(folder / row[0]);
  EXPECT_EQ(std::to_string(image.width), row[1]) << row[0];
  EXPECT_EQ(std::to_string(image.height), row[2]) << row[0];
  EXPECT_EQ(digest(image), row[3]) << row[0];
}

TEST(Decode, EveryKindGivesPillowsPixels) {
  const auto rows = read_table(test_folder() / "decode_expectations.tsv");
  ASSERT_GE(rows.size(), 33U);
  for (const auto& row : rows) {
    expect_pixels(test_folder() / "pictures", row);
  }
}

TEST(Decode, RealPicturesGivePillowsPixels) {
  if (shared_folder().empty()) {
    GTEST_SKIP() << "no real pictures: set NALA_SHARED to the folder that holds data/cls";
  }
  const auto rows = read_table(test_folder() / "shared_expectations.tsv");
  ASSERT_GE(rows.size(), 100U);
  for (const auto& row : rows) {
    expect_pixels(shared_folder(), row);
  }
}

TEST(Decode, FormatIsToldByTheBytesAlone) {
  EXPECT_EQ(format_of("\xFF\xD8\xFF\xE0"), Format::jpeg);
  EXPECT_EQ(format_of("\x89PNG\r\n\x1A\n...."), Format::png);
  EXPECT_EQ(format_of("BM"), Format::bmp);
  EXPECT_EQ(format_of(std::string("II*\0", 4)), Format::tiff);
  EXPECT_EQ(format_of(std::string("MM\0*", 4)), Format::tiff);
  EXPECT_EQ(format_of("RIFF....WEBPVP8 "), Format::webp);
  EXPECT_EQ(format_of("P6\n"), Format::pnm);
  for (const char* text : {"", "P", "P7\n", "P6x", "GIF89a", "RIFF....WAVE", "\xFF\xD8", "<svg>"}) {
    EXPECT_EQ(format_of(text), std::nullopt) << text;
  }
}

TEST(Encode, PngKeepsEveryPixel) {
  const Image image = noise(13, 7);
  EXPECT_EQ(decode(encode_png(image), "x"), image);
  Image grey(5, 4, 1);
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    grey.pixels[i] = static_cast<uint8_t>(i * 12);
  }
  const Image back = decode(encode_png(grey), "x");
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(back.pixels[3 * i + c], grey.pixels[i]);
    }
  }
}

TEST(Encode, JpegIsCloseAndOfTheSameSize) {
  Image image(32, 24);
  for (int64_t y = 0; y < 24; ++y) {
    for (int64_t x = 0; x < 32; ++x) {
      image.row(y)[3 * x] = image.row(y)[3 * x + 1] = image.row(y)[3 * x + 2] =
          static_cast<uint8_t>(4 * x + 3 * y);
    }
  }
  const Image back = decode(encode_jpeg(image, 95), "x");
  ASSERT_EQ(back.pixels.size(), image.pixels.size());
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    EXPECT_NEAR(back.pixels[i], image.pixels[i], 6);
  }
}

}  // namespace
}  // namespace nala::data
