#include "data/transforms/affine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/transforms/pipeline.h"
#include "support.h"

namespace nala::data {
namespace {

constexpr Colour kFill = {124, 116, 104};

TEST(Affine, EqualsPillow) {
  int checked = 0;
  for (const auto& row : read_table(test_folder() / "affine_expectations.tsv")) {
    const int64_t width = std::stoll(row[1]);
    const int64_t height = std::stoll(row[2]);
    AffineMatrix matrix;
    std::transform(row.begin() + 4, row.begin() + 10, matrix.begin(),
                   [](const std::string& text) { return std::stod(text); });
    if (row[3] == "rotate") {
      matrix = rotation_matrix(matrix[0], width, height);
    }
    const Image out =
        affine(noise(width, height), matrix,
               row[0] == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear, kFill);
    EXPECT_EQ(digest(out), row[10]) << row[0] << " " << width << "x" << height << " " << row[3]
                                    << " " << row[4] << " " << row[5] << " " << row[6];
    ++checked;
  }
  EXPECT_GE(checked, 100);
}

DataConfig config_of(const AffineConfig& affine) {
  DataConfig config;
  config.image_size = {48};
  config.augment.crop = TrainCrop::none;
  config.augment.flip = 0;
  config.augment.affine = affine;
  return config;
}

AffineConfig strong() {
  AffineConfig affine;
  affine.probability = 1;
  affine.rotate = 30;
  affine.shear = 20;
  affine.translate = 0.1;
  affine.scale = {0.8, 1.2};
  affine.fill = {1, 0, 0.5};
  return affine;
}

TEST(RandomAffine, IsAFunctionOfItsKey) {
  const Image image = noise(48, 48);
  const auto run = [&](uint64_t key) {
    Rng rng(Stream::augment, {key});
    return augment(image, config_of(strong()), rng);
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(RandomAffine, WithoutRangesGivesThePicture) {
  const Image image = noise(48, 48);
  AffineConfig none;
  none.probability = 1;
  Rng rng(Stream::augment, {3});
  EXPECT_EQ(augment(image, config_of(none), rng), image);
}

// A dot right of the centre: enlargement moves it away, shifting moves it by that share of the
// side.
TEST(RandomAffine, MovesThingsTheRightWay) {
  Image dot(48, 48);
  for (int64_t y = 22; y < 26; ++y) {
    std::fill_n(dot.row(y) + 3 * 34, 3 * 4, uint8_t{255});  // centre at (36, 24), 12 to the right
  }
  const auto centre = [](const Image& image) {
    double mass = 0;
    double x_sum = 0;
    double y_sum = 0;
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t x = 0; x < image.width; ++x) {
        const double value = image.row(y)[3 * x];
        mass += value;
        x_sum += value * (static_cast<double>(x) + 0.5);
        y_sum += value * (static_cast<double>(y) + 0.5);
      }
    }
    return std::pair{x_sum / mass, y_sum / mass};
  };
  AffineConfig larger;
  larger.probability = 1;
  larger.fill = {0, 0, 0};
  larger.scale = {1.5, 1.5};
  Rng rng(Stream::augment, {5});
  const auto [x, y] = centre(augment(dot, config_of(larger), rng));
  EXPECT_NEAR(x, 24 + 1.5 * 12, 0.3);
  EXPECT_NEAR(y, 24, 0.3);

  // Rotation keeps the distance; over many draws it reaches both sides and stays in its range.
  AffineConfig turned = larger;
  turned.scale = {1, 1};
  turned.rotate = 30;
  double lowest = 90;
  double highest = -90;
  for (uint64_t key = 0; key < 200; ++key) {
    Rng draw(Stream::augment, {key});
    const auto [u, v] = centre(augment(dot, config_of(turned), draw));
    EXPECT_NEAR(std::hypot(u - 24, v - 24), 12, 0.4);
    const double angle = std::atan2(v - 24, u - 24) * 180 / M_PI;
    lowest = std::min(lowest, angle);
    highest = std::max(highest, angle);
  }
  EXPECT_NEAR(lowest, -30, 2);
  EXPECT_NEAR(highest, 30, 2);
}

TEST(RandomAffine, FillsWithTheMeanUnlessTold) {
  AffineConfig away;
  away.probability = 1;
  away.scale = {0.1, 0.1};
  Rng rng(Stream::augment, {7});
  const Image small = augment(noise(48, 48), config_of(away), rng);
  EXPECT_TRUE(std::equal(kFill.begin(), kFill.end(), small.row(0)));
  away.fill = {1, 0, 0.5};
  Rng again(Stream::augment, {7});
  const Image coloured = augment(noise(48, 48), config_of(away), again);
  EXPECT_EQ(coloured.row(0)[0], 255);
  EXPECT_EQ(coloured.row(0)[1], 0);
  EXPECT_EQ(coloured.row(0)[2], 128);
}

}  // namespace
}  // namespace nala::data
