#include "data/transforms/matlab_resize.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/datasets/folder_listing.h"
#include "support.h"

namespace nala::data {
namespace {

// Eight columns, all rows alike, 255 in one column and 0 elsewhere.
Image impulse(int64_t column) {
  Image image(8, 8, 1);
  for (int64_t y = 0; y < 8; ++y) {
    image.row(y)[column] = 255;
  }
  return image;
}

std::vector<int> row_of(const Image& image, int64_t y) {
  return {image.row(y), image.row(y) + image.width};
}

// By hand: reducing by 2, an output's taps lie 1/4, 3/4, 5/4, 7/4 of the stretched kernel away on
// either side, weights (111, 29, -9, -3) / 256.
TEST(MatlabReduce, WeighsAsWorkedOutByHand) {
  const Image reduced = matlab_reduce(impulse(3), 2, MatlabForm::matlab);
  EXPECT_EQ(reduced.width, 4);
  EXPECT_EQ(reduced.height, 4);
  for (int64_t y = 0; y < 4; ++y) {
    // 255 * (-9, 111, 29, -3) / 256 = -8.96, 110.57, 28.89, -2.99
    EXPECT_EQ(row_of(reduced, y), (std::vector<int>{0, 111, 29, 0}));
  }
}

TEST(MatlabReduce, FormsDifferAtTheBorderAlone) {
  // Mirrored, column 0 counts as -1, too: 255 * (111 + 29) / 256 = 139.45. Repeated, as -1, -2, -3:
  // 255 * (111 + 29 - 9 - 3) / 256 = 127.5, rounded up.
  EXPECT_EQ(row_of(matlab_reduce(impulse(0), 2, MatlabForm::matlab), 2)[0], 139);
  EXPECT_EQ(row_of(matlab_reduce(impulse(0), 2, MatlabForm::matlab_legacy), 2)[0], 128);
  EXPECT_EQ(row_of(matlab_reduce(impulse(3), 2, MatlabForm::matlab_legacy), 2),
            (std::vector<int>{0, 111, 29, 0}));
}

TEST(MatlabReduce, RoundsAfterEachPassInTheOlderForm) {
  // A square of 3: 3 * (222 / 256)^2 = 2.256; the older form keeps 3 * 222 / 256 = 2.60 as 3
  // between the passes, and 3 * 222 / 256 = 2.60 again.
  Image image(8, 8, 1);
  for (const int64_t y : {2, 3}) {
    image.row(y)[2] = image.row(y)[3] = 3;
  }
  EXPECT_EQ(row_of(matlab_reduce(image, 2, MatlabForm::matlab), 1)[1], 2);
  EXPECT_EQ(row_of(matlab_reduce(image, 2, MatlabForm::matlab_legacy), 1)[1], 3);
}

TEST(MatlabReduce, AWindowIsPartOfTheWhole) {
  const Image image = noise(37, 29);
  for (const MatlabForm form : {MatlabForm::matlab, MatlabForm::matlab_legacy}) {
    for (const int64_t divisor : {2, 3, 4}) {
      const Image whole = matlab_reduce(image, divisor, form);
      EXPECT_EQ(whole.width, (37 + divisor - 1) / divisor);
      const Window window{1, 2, whole.width - 2, 4};
      EXPECT_EQ(matlab_reduce(image, divisor, form, window),
                part_of(whole, [&](int64_t, int64_t) { return Part{.window = window}; }).image);
    }
  }
}

TEST(MatlabResize, KeepsConstantsAndEnlargesInsideRampsExactly) {
  RealImage ramp{16, 4, 1, {}};
  for (int64_t i = 0; i < 64; ++i) {
    ramp.values.push_back(static_cast<double>(i % 16));
  }
  const RealImage larger = matlab_resize(ramp, {.multiply = 3});
  EXPECT_EQ(larger.width, 48);
  EXPECT_EQ(larger.height, 12);
  // Cubic convolution reproduces straight lines: column x lies at (x + 1/2) / 3 - 1/2.
  for (int64_t x = 6; x < 42; ++x) {
    EXPECT_NEAR(larger.values[static_cast<size_t>(5 * 48 + x)],
                (static_cast<double>(x) + 0.5) / 3 - 0.5, 1e-12);
  }
}

// The published low-resolution pictures, made with an older MATLAB.
TEST(MatlabReduce, MakesThePublishedTestPictures) {
  const auto shared = shared_folder();
  if (shared.empty()) {
    GTEST_SKIP() << "no folder of shared data (NALA_SHARED, or ../shared)";
  }
  int64_t pictures = 0;
  for (const char* set : {"Set5", "Set14", "BSD100", "Urban100"}) {
    const auto folder = shared / "data" / "sr" / set;
    for (const std::string& name : list_pictures(folder / "HR")) {
      const Image high = read_image(folder / "HR" / name);
      for (const int64_t scale : {2, 3, 4}) {
        const std::string factor = std::to_string(scale);
        const auto file = folder / "LR_bicubic" / ("X" + factor) /
                          (std::filesystem::path(name).stem().string() + "x" + factor + ".png");
        if (scale == 3 && std::string(set) == "Urban100") {
          continue;  // never published
        }
        const Window whole{0, 0, high.width / scale * scale, high.height / scale * scale};
        const Image cut =
            part_of(high, [&](int64_t, int64_t) { return Part{.window = whole}; }).image;
        EXPECT_EQ(matlab_reduce(cut, scale, MatlabForm::matlab_legacy), read_image(file)) << file;
        ++pictures;
      }
    }
  }
  EXPECT_EQ(pictures, 3 * (5 + 14 + 10) + 2 * 6);
}

}  // namespace
}  // namespace nala::data
