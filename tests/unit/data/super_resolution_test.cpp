#include "data/datasets/super_resolution.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "data/loader.h"
#include "data/samples/super_resolution.h"
#include "support.h"

namespace nala::data {
namespace {

// Red and green state the place in units of `scale` pixels.
Image places(int64_t width, int64_t height, int64_t scale) {
  Image image(width, height);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>(x / scale);
      image.row(y)[3 * x + 1] = static_cast<uint8_t>(y / scale);
    }
  }
  return image;
}

DataConfig config_of(const TemporaryFolder& folder) {
  DataConfig config;
  config.name = DatasetName::super_resolution;
  config.root.value = folder.path().string();
  config.image_size = {8};
  config.batch_size = 4;
  config.workers = 0;
  config.super_resolution.train_sets = {"A", "B"};
  config.super_resolution.val_sets = {"A"};
  return config;
}

// Set A in EDSR's layout with low-resolution pictures for x2, set B in DIV2K's without.
void write_sets(const TemporaryFolder& folder) {
  folder.write("A/HR/one.png", encode_png(places(61, 41, 2)));
  folder.write("A/LR_bicubic/X2/onex2.png", encode_png(places(30, 20, 1)));
  folder.write("A/HR/two.png", encode_png(places(12, 80, 2)));
  folder.write("A/LR_bicubic/X2/twox2.png", encode_png(places(6, 40, 1)));
  folder.write("B_HR/three.png", encode_png(noise(64, 48)));
}

int value_at(const at::Tensor& picture, int64_t y, int64_t x, int64_t c) {
  return static_cast<int>(std::lround(picture[y][x][c].item<float>() * 255));
}

TEST(SuperResolutionSets, FindsBothLayoutsAndPairsThem) {
  const TemporaryFolder folder;
  write_sets(folder);
  const auto sets = std::dynamic_pointer_cast<const SuperResolutionSets>(
      build_dataset(config_of(folder), Split::train));
  ASSERT_EQ(sets->size(), 3);
  EXPECT_EQ(sets->set_of(1), 0U);
  EXPECT_EQ(sets->set_of(2), 1U);
  const PicturePair pair = sets->load_pair(0);
  EXPECT_EQ(pair.target.width, 60);  // cut to a multiple of the scale
  EXPECT_EQ(pair.target.height, 40);
  EXPECT_EQ(pair.image.width, 30);
  EXPECT_TRUE(sets->load_pair(2).image.pixels.empty());
  EXPECT_EQ(sets->pair(0), sets->pair(0)) << "decoded twice in spite of the cache";
  EXPECT_EQ(sets->decoded_bytes(), 3 * (60 * 40 + 30 * 20 + 12 * 80 + 6 * 40 + 64 * 48));
  DataConfig made = config_of(folder);
  made.super_resolution.low_resolution = LowResolution::made;
  made.super_resolution.cache_mb = 0;
  const auto without =
      std::dynamic_pointer_cast<const SuperResolutionSets>(build_dataset(made, Split::train));
  EXPECT_TRUE(without->load_pair(0).image.pixels.empty());
  EXPECT_NE(without->pair(0), without->pair(0));
}

TEST(SuperResolutionSets, SaysWhatDoesNotFit) {
  const TemporaryFolder folder;
  write_sets(folder);
  DataConfig config = config_of(folder);
  config.super_resolution.train_sets = {"C"};
  EXPECT_NE(message_of([&] { build_dataset(config, Split::train); }).find("C_HR"),
            std::string::npos);
  config.super_resolution.train_sets = {"B"};
  config.super_resolution.low_resolution = LowResolution::given;
  EXPECT_NE(message_of([&] { build_dataset(config, Split::train); }).find("low_resolution=made"),
            std::string::npos);
  folder.write("A/LR_bicubic/X2/twox2.png", encode_png(places(7, 40, 1)));
  const auto sets = build_dataset(config_of(folder), Split::val);
  EXPECT_NE(message_of([&] {
              static_cast<void>(dynamic_cast<const PairDataset&>(*sets).load_pair(1));
            }).find("expected 6 x 40"),
            std::string::npos);
  std::filesystem::remove(folder.path() / "A/LR_bicubic/X2/twox2.png");
  EXPECT_NE(message_of([&] { build_dataset(config_of(folder), Split::val); }).find("missing"),
            std::string::npos);
}

TEST(SuperResolutionSamples, PatchesBelongTogetherInEveryOrientation) {
  const TemporaryFolder folder;
  write_sets(folder);
  const DataConfig config = config_of(folder);
  const auto maker = build_sample_maker(build_dataset(config, Split::train), config, Split::train);
  std::set<std::pair<int, int>> steps;  // from the first pixel along a row: the orientation
  for (uint64_t key = 0; key < 200; ++key) {
    Rng rng(Stream::augment, {key});
    const MadeSample made = maker->make(0, rng, {});
    ASSERT_EQ(made.image.sizes(), (std::vector<int64_t>{8, 8, 3}));
    ASSERT_EQ(made.target.sizes(), (std::vector<int64_t>{16, 16, 3}));
    for (const auto& [y, x] : {std::pair{0, 0}, {7, 2}, {3, 7}}) {
      for (const int64_t c : {0, 1}) {
        ASSERT_EQ(value_at(made.image, y, x, c), value_at(made.target, 2 * y, 2 * x, c));
        ASSERT_EQ(value_at(made.image, y, x, c), value_at(made.target, 2 * y + 1, 2 * x + 1, c));
      }
    }
    const auto place = [&](int64_t y, int64_t x) {
      return std::pair{value_at(made.image, y, x, 0), value_at(made.image, y, x, 1)};
    };
    steps.insert(
        {place(0, 1).first - place(0, 0).first + 3 * (place(1, 0).first - place(0, 0).first),
         place(0, 1).second - place(0, 0).second + 3 * (place(1, 0).second - place(0, 0).second)});
  }
  EXPECT_EQ(steps.size(), 8U);
}

TEST(SuperResolutionSamples, MadePatchesArePartsOfTheWholeReducedPicture) {
  const TemporaryFolder folder;
  folder.write("A/HR/one.png", encode_png(noise(60, 40)));
  DataConfig config = config_of(folder);
  config.super_resolution.train_sets = {"A"};
  config.super_resolution.dihedral = false;
  const auto sets =
      std::dynamic_pointer_cast<const SuperResolutionSets>(build_dataset(config, Split::train));
  const auto maker = build_sample_maker(sets, config, Split::train);
  const Image high = sets->load_pair(0).target;
  const Image low = matlab_reduce(high, 2, MatlabForm::matlab);
  Rng rng(Stream::augment, {5});
  const MadeSample made = maker->make(0, rng, {});
  int found = 0;
  for (int64_t top = 0; top + 8 <= low.height; ++top) {
    for (int64_t left = 0; left + 8 <= low.width; ++left) {
      bool same = true;
      for (int64_t y = 0; y < 8 && same; ++y) {
        for (int64_t x = 0; x < 8 && same; ++x) {
          same =
              value_at(made.image, y, x, 2) == low.row(top + y)[3 * (left + x) + 2] &&
              value_at(made.target, 2 * y, 2 * x, 2) == high.row(2 * (top + y))[6 * (left + x) + 2];
        }
      }
      found += same ? 1 : 0;
    }
  }
  EXPECT_EQ(found, 1);
}

TEST(SuperResolutionSamples, SmallPicturesAreMirroredToThePatch) {
  const TemporaryFolder folder;
  write_sets(folder);
  const DataConfig config = config_of(folder);
  const auto maker = build_sample_maker(build_dataset(config, Split::train), config, Split::train);
  for (uint64_t key = 0; key < 20; ++key) {
    Rng rng(Stream::augment, {key});
    const MadeSample made = maker->make(1, rng, {});  // 6 pixels wide, 8 wanted
    std::multiset<int> columns;
    for (int64_t y = 0; y < 8; ++y) {
      columns.insert(value_at(made.image, 0, y, 0));
      columns.insert(value_at(made.image, y, 0, 0));
    }
    // Along one of the two sides: 0 1 2 3 4 5 5 4; along the other, one of these.
    EXPECT_GE(columns.count(5), 2U);
    EXPECT_EQ(columns.count(6), 0U);
  }
}

TEST(SuperResolutionLoader, BatchesPatchesAndEvaluatesOneByOne) {
  const TemporaryFolder folder;
  write_sets(folder);
  DataConfig config = config_of(folder);
  config.repeat = 4;
  config.augment.sizes = {8, 10};
  config.augment.size_epochs = {0, 1};
  Loader train(build_dataset(config, Split::train), config, {.split = Split::train});
  EXPECT_EQ(train.batches_per_epoch(), 3);
  train.start(0);
  EXPECT_EQ(train.next()->targets.sizes(), (std::vector<int64_t>{4, 16, 16, 3}));
  train.start(1);
  EXPECT_EQ(train.next()->images.sizes(), (std::vector<int64_t>{4, 3, 10, 10}));
  Loader val(build_dataset(config, Split::val), config, {.split = Split::val});
  val.start(0);
  EXPECT_EQ(val.next()->images.sizes(), (std::vector<int64_t>{1, 3, 20, 30}));
  EXPECT_EQ(val.next()->targets.sizes(), (std::vector<int64_t>{1, 80, 12, 3}));
}

}  // namespace
}  // namespace nala::data
