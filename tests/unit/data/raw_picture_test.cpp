#include "data/raw_picture.h"

#include <gtest/gtest.h>

#include "data/subimages.h"
#include "support.h"

namespace nala::data {
namespace {

RawPicture drawn(int64_t channels, int bits) {
  RawPicture picture{5, 4, channels, bits, {}};
  for (int64_t i = 0; i < 5 * 4 * channels; ++i) {
    picture.values.push_back(static_cast<uint16_t>(bits == 16 ? i * 40503 : (i * 37) % 256));
  }
  return picture;
}

TEST(RawPicture, SurvivesAPng) {
  for (const int64_t channels : {1, 2, 3, 4}) {
    for (const int bits : {8, 16}) {
      const RawPicture picture = drawn(channels, bits);
      const RawPicture again = decode_raw(encode_png(picture), "test");
      EXPECT_EQ(again.width, 5);
      EXPECT_EQ(again.height, 4);
      EXPECT_EQ(again.channels, channels);
      EXPECT_EQ(again.bits, bits);
      EXPECT_EQ(again.values, picture.values) << channels << " channels of " << bits << " bits";
    }
  }
}

// decode() is checked against Pillow: high bytes, grey repeated, alpha dropped.
TEST(RawPicture, AgreesWithTheEightBitDecoder) {
  for (const int64_t channels : {1, 2, 3, 4}) {
    for (const int bits : {8, 16}) {
      const RawPicture picture = drawn(channels, bits);
      const Image image = decode(encode_png(picture), "test");
      for (int64_t pixel = 0; pixel < 20; ++pixel) {
        for (int64_t c = 0; c < 3; ++c) {
          const int64_t from = channels < 3 ? 0 : c;
          EXPECT_EQ(image.pixels[static_cast<size_t>(3 * pixel + c)],
                    picture.values[static_cast<size_t>(pixel * channels + from)] >> (bits - 8));
        }
      }
    }
  }
}

TEST(RawPicture, ReadsOtherFormatsAsColours) {
  const RawPicture picture = decode_raw(encode_jpeg(noise(16, 8)), "test");
  EXPECT_EQ(picture.channels, 3);
  EXPECT_EQ(picture.bits, 8);
  EXPECT_EQ(picture.values.size(), 16U * 8U * 3U);
}

TEST(RawPicture, RefusesDamage) {
  const std::string bytes = encode_png(drawn(4, 16));
  EXPECT_THROW(decode_raw(std::string_view(bytes).substr(0, bytes.size() - 4), "test"), ImageError);
  EXPECT_THROW(decode_raw(std::string_view(bytes).substr(0, 60), "test"), ImageError);
  EXPECT_THROW(decode_raw("", "test"), ImageError);
}

TEST(Subimages, CoverThePictureWithPairsThatFit) {
  const TemporaryFolder folder;
  folder.write("A/HR/one.png", encode_png(noise(70, 41)));
  folder.write("A/HR/small.png", encode_png(noise(20, 30)));
  const SuperResolutionSets sets({"A"},
                                 {{.high = (folder.path() / "A/HR/one.png").string()},
                                  {.high = (folder.path() / "A/HR/small.png").string()}},
                                 2, 0);
  const auto out = folder.path() / "out";
  // Across 70: 0, 24 and, to end at the border, 38; down 40 (41 cut to a multiple): 0 and 8.
  EXPECT_EQ(write_subimages(sets, out, {.size = 32, .step = 24}), 3 * 2 + 1);
  const Image high = sets.load_pair(0).target;
  const Image low = matlab_reduce(high, 2, MatlabForm::matlab);
  const auto window = [](const Image& image, const Window& part) {
    return part_of(image, [&](int64_t, int64_t) { return Part{.window = part}; }).image;
  };
  EXPECT_EQ(read_image(out / "A/HR/one_s006.png"), window(high, {38, 8, 32, 32}));
  EXPECT_EQ(read_image(out / "A/LR_bicubic/X2/one_s006x2.png"), window(low, {19, 4, 16, 16}));
  EXPECT_EQ(read_image(out / "A/HR/small_s001.png").width, 20);
  // A set of its own: found and paired.
  DataConfig config;
  config.name = DatasetName::super_resolution;
  config.root.value = out.string();
  config.super_resolution.train_sets = {"A"};
  config.super_resolution.low_resolution = LowResolution::given;
  EXPECT_EQ(build_dataset(config, Split::train)->size(), 7);
  EXPECT_THROW(write_subimages(sets, out, {.size = 33, .step = 24}), Error);
}

}  // namespace
}  // namespace nala::data
