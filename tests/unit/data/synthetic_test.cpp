#include <gtest/gtest.h>

#include <set>

#include "data/dataset.h"
#include "support.h"

namespace nala::data {
namespace {

DataConfig small_config() {
  DataConfig config;
  config.name = DatasetName::synthetic;
  config.synthetic.classes = 4;
  config.synthetic.size = {24, 40};
  config.synthetic.train_images = 50;
  config.synthetic.val_images = 12;
  return config;
}

TEST(Synthetic, PicturesAreAFunctionOfTheirKey) {
  const DataConfig config = small_config();
  const auto train = build_dataset(config, Split::train);
  const auto val = build_dataset(config, Split::val);
  EXPECT_EQ(train->size(), 50);
  EXPECT_EQ(val->size(), 12);
  EXPECT_EQ(train->classes().size(), 4U);
  std::set<std::string> different;
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(train->load(i).image, build_dataset(config, Split::train)->load(i).image);
    EXPECT_EQ(train->load(i).image.width, 40);
    EXPECT_EQ(train->load(i).image.height, 24);
    EXPECT_EQ(train->label(i), i % 4);
    different.insert(digest(train->load(i).image));
    different.insert(digest(val->load(i).image));
  }
  EXPECT_EQ(different.size(), 24U);
}

// Mean absolute difference of pixels `apart` in x (dx) or y.
double roughness(const Image& image, bool horizontal) {
  double sum = 0;
  for (int64_t y = 0; y + 4 < image.height; ++y) {
    for (int64_t x = 0; x + 4 < image.width; ++x) {
      const uint8_t* other = horizontal ? image.row(y) + (x + 4) * 3 : image.row(y + 4) + x * 3;
      sum += std::abs(image.row(y)[3 * x] - other[0]);
    }
  }
  return sum / static_cast<double>((image.height - 4) * (image.width - 4));
}

TEST(Synthetic, StripesTellTheClass) {
  const auto train = build_dataset(small_config(), Split::train);
  // Class 0 changes from left to right, class 2 of 4 (a quarter turn) from top to bottom.
  for (int64_t i = 0; i < 40; i += 4) {
    EXPECT_GT(roughness(train->load(i).image, true), roughness(train->load(i).image, false));
    EXPECT_LT(roughness(train->load(i + 2).image, true),
              roughness(train->load(i + 2).image, false));
  }
}

TEST(Dataset, LimitSpreadsOverTheSet) {
  DataConfig config = small_config();
  config.limit = 5;
  const auto limited = build_dataset(config, Split::train);
  const auto all = build_dataset(small_config(), Split::train);
  ASSERT_EQ(limited->size(), 5);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(limited->path(i), all->path(i * 10));
    EXPECT_EQ(limited->load(i).image, all->load(i * 10).image);
    EXPECT_EQ(limited->label(i), all->label(i * 10));
  }
  config.limit = 1000;
  EXPECT_EQ(build_dataset(config, Split::train)->size(), 50);
}

TEST(Dataset, ShuffledLabelsArePermutedInTrainingOnly) {
  DataConfig config = small_config();
  config.shuffle_labels = true;
  const auto shuffled = build_dataset(config, Split::train);
  const auto plain = build_dataset(small_config(), Split::train);
  std::vector<int64_t> counts(4), before(4);
  int64_t changed = 0;
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(shuffled->load(i).label, shuffled->label(i));
    EXPECT_EQ(shuffled->load(i).image, plain->load(i).image);
    ++counts[static_cast<size_t>(shuffled->label(i))];
    ++before[static_cast<size_t>(plain->label(i))];
    changed += shuffled->label(i) != plain->label(i) ? 1 : 0;
  }
  EXPECT_EQ(counts, before);
  EXPECT_GT(changed, 25);
  const auto val = build_dataset(config, Split::val);
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(val->label(i), i % 4);
  }
}

}  // namespace
}  // namespace nala::data
