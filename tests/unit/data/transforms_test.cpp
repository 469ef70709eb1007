#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/transforms/crop.h"
#include "data/transforms/normalise.h"
#include "data/transforms/pipeline.h"
#include "data/transforms/resize.h"
#include "support.h"

namespace nala::data {
namespace {

TEST(Resize, EqualsPillow) {
  int checked = 0;
  for (const auto& row : read_table(test_folder() / "resize_expectations.tsv")) {
    if (row[0] != "resize") {
      continue;
    }
    const auto at = [&](size_t i) { return std::stoll(row[i]); };
    const Image out =
        resize(noise(at(2), at(3)), {at(4), at(5), at(6), at(7)}, at(8), at(9),
               row[1] == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear);
    EXPECT_EQ(digest(out), row[10])
        << row[1] << " " << row[2] << "x" << row[3] << " window " << row[4] << "," << row[5] << " "
        << row[6] << "x" << row[7] << " to " << row[8] << "x" << row[9];
    ++checked;
  }
  EXPECT_GE(checked, 50);
}

TEST(Resize, ConstantStaysConstant) {
  Image flat(61, 43);
  std::fill(flat.pixels.begin(), flat.pixels.end(), uint8_t{201});
  for (const Interpolation kind : {Interpolation::bicubic, Interpolation::bilinear}) {
    const Image out = resize(flat, 29, 97, kind);
    EXPECT_EQ(std::count(out.pixels.begin(), out.pixels.end(), 201), 29 * 97 * 3);
  }
}

TEST(Resize, PartNeedsNoMoreThanItSays) {
  const Image image = noise(83, 57);
  for (const Interpolation kind : {Interpolation::bicubic, Interpolation::bilinear}) {
    for (const auto& [width, height] :
         {std::pair{40, 31}, {83, 31}, {40, 57}, {83, 57}, {160, 120}, {90, 20}}) {
      const Image whole = resize(image, width, height, kind);
      for (const Window& part : {Window{0, 0, 1, 1},
                                 {5, 3, 20, 17},
                                 {width - 9, height - 8, 9, 8},
                                 {0, 0, width, height}}) {
        const PartialResize task{83, 57, width, height, part};
        EXPECT_EQ(resize_part(image, {}, task, kind), crop(whole, part));
        const Window needed = needed_for(task, kind);
        EXPECT_EQ(resize_part(crop(image, needed), needed, task, kind), crop(whole, part))
            << width << "x" << height << " at " << part.left << "," << part.top;
      }
    }
  }
}

TEST(Eval, EqualsPillowAndNumpy) {
  int checked = 0;
  for (const auto& row : read_table(test_folder() / "resize_expectations.tsv")) {
    if (row[0] != "eval") {
      continue;
    }
    DataConfig config;
    config.image_size = {std::stoll(row[8])};
    const at::Tensor out = prepare_for_eval(noise(std::stoll(row[2]), std::stoll(row[3])), config);
    EXPECT_EQ(out.sizes(), at::IntArrayRef({1, 3, config.height(), config.width()}));
    EXPECT_TRUE(out.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_EQ(sha256({static_cast<const char*>(out.data_ptr()), out.nbytes()}), row[10])
        << row[2] << "x" << row[3] << " to " << row[8];
    ++checked;
  }
  EXPECT_EQ(checked, 5);
}

TEST(Eval, StretchesAndCoversWhereAsked) {
  DataConfig config;
  config.image_size = {24, 40};
  config.eval.crop = EvalCrop::none;
  const Image image = noise(50, 60);
  EXPECT_EQ(resize_for_eval(image, config), resize(image, 40, 24, Interpolation::bicubic));
  // Not square: 27 x 45 covers (floor of 256/224 of 24 x 40); width decides: 50 x 60 -> 45 x 54.
  config.eval.crop = EvalCrop::center;
  const Image covered = resize(image, 45, 54, Interpolation::bicubic);
  // (45 - 40) / 2 = 2.5 rounds to the even 2.
  EXPECT_EQ(resize_for_eval(image, config), crop(covered, {2, 15, 40, 24}));
}

TEST(Eval, VeryLongPicturesCostNoMoreMemory) {
  DataConfig config;
  const Image strip(1 << 20, 1);
  const Image out = resize_for_eval(strip, config);
  EXPECT_EQ(out.width, 224);
  EXPECT_EQ(out.height, 224);
}

TEST(Crop, CentreRoundsHalfToEven) {
  EXPECT_EQ(centre_window(5, 7, 4, 4), (Window{0, 2, 4, 4}));   // .5 -> 0, 1.5 -> 2
  EXPECT_EQ(centre_window(9, 10, 4, 4), (Window{2, 3, 4, 4}));  // 2.5 -> 2
}

TEST(Crop, RandomWindowsKeepTheirBounds) {
  const WindowBounds bounds;
  double area = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    Rng rng(Stream::augment, {7, 0, static_cast<uint64_t>(i)});
    const Window window = random_resized_window(400, 400, bounds, rng);
    ASSERT_GE(window.left, 0);
    ASSERT_GE(window.top, 0);
    ASSERT_LE(window.left + window.width, 400);
    ASSERT_LE(window.top + window.height, 400);
    const double ratio = static_cast<double>(window.width) / static_cast<double>(window.height);
    ASSERT_GT(ratio, 0.75 * 0.98);
    ASSERT_LT(ratio, 4.0 / 3.0 * 1.02);
    area += static_cast<double>(window.width * window.height) / 160000.0 / kDraws;
  }
  // 400 000 draws of the same rule with numpy give 0.4788 (tries beyond the edges are drawn again),
  // standard deviation 0.234: five standard errors.
  EXPECT_NEAR(area, 0.4788, 0.0085);
}

TEST(Crop, WindowCentresAreUniform) {
  // Half the side, square: the offset is uniform on 0 ... 50.
  const WindowBounds bounds{0.25, 0.25, 1.0, 1.0};
  std::vector<int> counts(51);
  for (uint64_t i = 0; i < 51000; ++i) {
    Rng rng(Stream::augment, {1, 2, i});
    const Window window = random_resized_window(100, 100, bounds, rng);
    ASSERT_EQ(window.width, 50);
    ASSERT_EQ(window.height, 50);
    ++counts[static_cast<size_t>(window.left)];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 1000, 160);  // five standard deviations
  }
}

TEST(Crop, FallsBackToTheLargestCentredWindow) {
  // Ten tries of nearly the whole area never fit a strip.
  const WindowBounds bounds{0.9, 1.0, 0.75, 4.0 / 3.0};
  Rng rng(Stream::augment, {1});
  EXPECT_EQ(random_resized_window(1000, 30, bounds, rng), (Window{480, 0, 40, 30}));
  // round(30 / 0.75) = 40
  EXPECT_EQ(random_resized_window(30, 1000, bounds, rng), (Window{0, 480, 30, 40}));
  EXPECT_EQ(random_resized_window(1, 1, {0.01, 0.02, 1.0, 1.0}, rng), (Window{0, 0, 1, 1}));
}

TEST(Crop, PaddedCropShiftsByUpToThePadding) {
  const Image image = noise(6, 5);
  std::vector<int> shifts(25);
  for (uint64_t i = 0; i < 2000; ++i) {
    Rng rng(Stream::augment, {i});
    const Image out = random_padded_crop(image, 2, rng);
    int matches = 0;
    for (int64_t down = -2; down <= 2; ++down) {
      for (int64_t right = -2; right <= 2; ++right) {
        Image expected(6, 5);
        for (int64_t y = 0; y < 5; ++y) {
          for (int64_t x = 0; x < 18; ++x) {
            const int64_t from_y = y + down;
            const int64_t from_x = x + 3 * right;
            if (from_y >= 0 && from_y < 5 && from_x >= 0 && from_x < 18) {
              expected.row(y)[x] = image.row(from_y)[from_x];
            }
          }
        }
        if (expected == out) {
          ++matches;
          ++shifts[static_cast<size_t>((down + 2) * 5 + right + 2)];
        }
      }
    }
    ASSERT_EQ(matches, 1);
  }
  for (const int count : shifts) {
    EXPECT_NEAR(count, 80, 45);
  }
  Rng rng(Stream::augment, {1});
  EXPECT_EQ(random_padded_crop(image, 0, rng), image);
}

TEST(Flip, MirrorsPixelsNotChannels) {
  Image image(3, 1);
  image.pixels = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  flip_horizontal(image);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{7, 8, 9, 4, 5, 6, 1, 2, 3}));
}

TEST(Normalise, FollowsTheFormulaInFloat32) {
  Image image(1, 2);
  image.pixels = {0, 128, 255, 17, 3, 200};
  std::vector<float> out(6);
  Normaliser({0.485, 0.456, 0.406}, {0.229, 0.224, 0.225})(image, out.data());
  // The well-known extremes, and a value in between, computed with numpy in float32.
  EXPECT_FLOAT_EQ(out[0], -2.117904F);
  EXPECT_FLOAT_EQ(out[1], 0.2051822F);
  EXPECT_FLOAT_EQ(out[2], 2.64F);
}

}  // namespace
}  // namespace nala::data
