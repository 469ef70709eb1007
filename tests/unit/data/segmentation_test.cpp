// Transforms of pictures with labels, and their data set.

#include "data/transforms/segmentation.h"

#include <gtest/gtest.h>

#include <set>

#include "data/datasets/ade20k.h"
#include "data/label_drawing.h"
#include "data/label_map.h"
#include "data/transforms/opencv_resize.h"
#include "data/transforms/photometric.h"
#include "support.h"

namespace nala::data {
namespace {

std::optional<double> number(const std::string& text) {
  return text == "-" ? std::nullopt : std::optional(std::stod(text));
}

// `expected`: two hexadecimal digits per value. Exact, but for the way back from HSV.
void expect_distorted(const Photometric& change, const std::string& expected) {
  Image image = noise(23, 17);
  apply_photometric(change, image);
  ASSERT_EQ(expected.size(), 2 * image.pixels.size());
  const int trips = (change.saturation ? 1 : 0) + (change.hue ? 1 : 0);
  int far = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    const int difference =
        std::abs(image.pixels[i] - std::stoi(expected.substr(2 * i, 2), nullptr, 16));
    far += difference > 2 * trips ? 1 : 0;
  }
  EXPECT_LE(far, trips > 1 ? 12 : 0) << "of " << image.pixels.size() << " values";
}

TEST(Segmentation, ResizesAndDistortsLikeOpenCvAndNumpy) {
  const auto rows = read_table(test_folder() / "segmentation_expectations.tsv");
  ASSERT_EQ(rows.size(), 25U);
  for (const auto& row : rows) {
    if (row[0] == "photometric") {
      Photometric change{.brightness = number(row[1]),
                         .contrast = number(row[2]),
                         .contrast_first = row[3] == "1",
                         .saturation = number(row[4])};
      if (const auto hue = number(row[5])) {
        change.hue = static_cast<int64_t>(*hue);
      }
      expect_distorted(change, row[6]);
      continue;
    }
    const Image image = noise(std::stol(row[1]), std::stol(row[2]));
    const auto resize = row[0] == "linear" ? &resize_linear : &resize_nearest;
    EXPECT_EQ(digest(resize(image, std::stol(row[3]), std::stol(row[4]))), row[5])
        << row[0] << " " << row[1] << " to " << row[3];
  }
}

// mmcv's rescale_size by hand: 683 x 512 for a 4 : 3 picture, and the long side as the limit.
TEST(Segmentation, ScaledSizeKeepsProportions) {
  const auto size = [](int64_t w, int64_t h) {
    const ScaledSize scaled = scaled_size(w, h, 2048, 512);
    return std::pair(scaled.width, scaled.height);
  };
  EXPECT_EQ(size(640, 480), std::pair(int64_t{683}, int64_t{512}));
  EXPECT_EQ(size(4000, 500), std::pair(int64_t{2048}, int64_t{256}));
  EXPECT_EQ(size(100, 5000), std::pair(int64_t{41}, int64_t{2048}));
  EXPECT_EQ(size(1, 100000), std::pair(int64_t{1}, int64_t{2048}));
}

// A picture whose colour says where the pixel comes from, and labels that say the same.
PicturePair traceable(int64_t width, int64_t height) {
  PicturePair pair{Image(width, height), Image(width, height, 1)};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* pixel = pair.image.row(y) + 3 * x;
      pixel[0] = static_cast<uint8_t>(x);
      pixel[1] = static_cast<uint8_t>(y);
      pair.target.row(y)[x] = static_cast<uint8_t>((x / 8 + y / 8) % 7);
    }
  }
  return pair;
}

DataConfig traceable_config() {
  DataConfig config;
  config.image_size = {32, 40};
  config.segmentation.scale = {100, 80};
  config.segmentation.ratio = {1, 1};
  config.segmentation.photometric = false;
  return config;
}

TEST(Segmentation, PictureAndLabelsStayTogether) {
  const PicturePair pair = traceable(100, 80);
  std::set<std::pair<int, bool>> seen;
  for (uint64_t key = 0; key < 60; ++key) {
    Rng rng(Stream::augment, {key});
    const PicturePair out = augment_segmentation(pair, traceable_config(), rng);
    ASSERT_EQ(out.image.width, 40);
    ASSERT_EQ(out.image.height, 32);
    for (int64_t y = 0; y < 32; ++y) {
      for (int64_t x = 0; x < 40; ++x) {
        const uint8_t* pixel = out.image.row(y) + 3 * x;
        ASSERT_EQ(out.target.row(y)[x], (pixel[0] / 8 + pixel[1] / 8) % 7);
      }
    }
    seen.emplace(out.image.row(0)[1], out.image.row(0)[0] > out.image.row(0)[3]);
  }
  EXPECT_GT(seen.size(), 20U) << "crops and mirrors do not vary";
}

TEST(Segmentation, IsAFunctionOfTheKey) {
  const PicturePair pair = traceable(100, 80);
  DataConfig config = traceable_config();
  config.segmentation.ratio = {0.5, 2.0};
  config.segmentation.photometric = true;
  const auto made = [&](uint64_t key) {
    Rng rng(Stream::augment, {key});
    return augment_segmentation(pair, config, rng);
  };
  EXPECT_EQ(made(4).image, made(4).image);
  EXPECT_EQ(made(4).target, made(4).target);
  EXPECT_NE(made(4).image, made(5).image);
}

// Only a strip on the left holds a second class: crops without it are drawn again.
TEST(Segmentation, CategoryCapLooksForVariedCrops) {
  PicturePair pair{Image(400, 32), Image(400, 32, 1)};
  for (int64_t y = 0; y < 32; ++y) {
    std::fill_n(pair.target.row(y), 120, uint8_t{1});
  }
  DataConfig config = traceable_config();
  config.segmentation.scale = {400, 32};
  const auto varied = [&](double cap) {
    config.segmentation.category_cap = cap;
    int count = 0;
    for (uint64_t key = 0; key < 300; ++key) {
      Rng rng(Stream::augment, {key});
      const Image labels = augment_segmentation(pair, config, rng).target;
      const auto ones = std::count(labels.pixels.begin(), labels.pixels.end(), 1);
      const double share = static_cast<double>(ones) / static_cast<double>(labels.pixels.size());
      count += share > 0.25 && share < 0.75 ? 1 : 0;
    }
    return count;
  };
  // Windows begin at 0 ... 360; those that begin at 91 ... 109 are varied: 19 of 361, and
  // 1 - (1 - 19 / 361)^11 = 45 %. Without the cap 5 %.
  EXPECT_NEAR(varied(0.75), 134, 35);
  EXPECT_NEAR(varied(1), 16, 14);
}

TEST(Segmentation, TestViewsAreStretchedToMultiples) {
  SegmentationData config;
  config.scale = {2048, 64};
  EXPECT_EQ(test_view(noise(100, 80), config, 1, false).width, 80);
  config.eval.multiple = 32;
  const Image view = test_view(noise(100, 80), config, 1.25, false);
  EXPECT_EQ(view.width, 128);  // 100 x 80, then up
  EXPECT_EQ(view.height, 96);
  Image mirrored = test_view(noise(100, 80), config, 1.25, true);
  EXPECT_EQ(mirrored.row(3)[0], view.row(3)[3 * 127]);
}

Image labels_of(std::vector<uint8_t> values, int64_t width) {
  Image labels(width, std::ssize(values) / width, 1);
  labels.pixels = std::move(values);
  return labels;
}

// images/ and annotations/ of two pictures, a table of two classes.
class SegmentationSet : public testing::Test {
 protected:
  void write(const std::string& split, const std::string& name, const Image& labels) {
    folder_.write("images/" + split + "/" + name + ".png",
                  encode_png(noise(labels.width, labels.height)));
    folder_.write("annotations/" + split + "/" + name + ".png", encode_png(labels));
  }
  void SetUp() override {
    folder_.write("classes.tsv", "name\tlabel\tr\tg\tb\nroad\t2\t9\t8\t7\nsky\t1\t1\t2\t3\n");
    for (const char* split : {"training", "validation"}) {
      write(split, "a", labels_of({0, 1, 2, 255}, 2));
      write(split, "sub/b", labels_of({2, 2, 1, 1}, 4));
    }
    config_.name = DatasetName::ade20k;
    config_.root.value = folder_.path().string();
  }
  std::shared_ptr<const LabelledPictures> open(Split split = Split::train) {
    return std::dynamic_pointer_cast<const LabelledPictures>(build_dataset(config_, split));
  }

  TemporaryFolder folder_;
  DataConfig config_;
};

TEST_F(SegmentationSet, PairsByNameAndReducesZero) {
  const auto set = open();
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->classes(), (std::vector<std::string>{"sky", "road"}));
  EXPECT_EQ(set->colours()[1], (Rgb{9, 8, 7}));
  EXPECT_EQ(set->load_pair(0).target.pixels, (std::vector<uint8_t>{255, 0, 1, 255}));
  EXPECT_EQ(set->load_pair(1).target.pixels, (std::vector<uint8_t>{1, 1, 0, 0}));
  EXPECT_TRUE(set->path(1).ends_with("images/training/sub/b.png"));
}

TEST_F(SegmentationSet, KeepsZeroWhereToldTo) {
  folder_.write("classes.tsv", "label\tname\n0\tother\n1\tsky\n2\troad\n");
  config_.segmentation.reduce_zero_label = false;
  EXPECT_EQ(open()->load_pair(0).target.pixels, (std::vector<uint8_t>{0, 1, 2, 255}));
}

TEST_F(SegmentationSet, NamesTheFileOfAnImpossibleLabel) {
  write("training", "a", labels_of({0, 1, 2, 3}, 2));
  const std::string message = message_of([&] { open()->load_pair(0); });
  EXPECT_NE(message.find("annotations/training/a.png: label 3"), std::string::npos) << message;
  EXPECT_NE(message.find("reduce_zero_label=false"), std::string::npos) << message;
}

TEST_F(SegmentationSet, RefusesWhatIsNoSet) {
  std::filesystem::remove(folder_.path() / "annotations/training/a.png");
  EXPECT_NE(message_of([&] { open(); }).find("a.png: no labels"), std::string::npos);
  write("training", "a", labels_of({0, 1, 2, 2}, 2));
  folder_.write("images/training/a.png", encode_png(noise(3, 3)));
  EXPECT_THROW(open()->load_pair(0), ImageError);
  folder_.write("classes.tsv", "label\tname\n1\tsky\n3\troad\n");
  EXPECT_NE(message_of([&] { open(); }).find("without a gap"), std::string::npos);
  std::filesystem::remove(folder_.path() / "classes.tsv");
  EXPECT_NE(message_of([&] { open(); }).find("data.class_list"), std::string::npos);
  folder_.write("classes.tsv", "label\tname\n1\tsky\n2\troad\n");
  config_.train = "elsewhere";
  EXPECT_NE(message_of([&] { open(); }).find("no such folder"), std::string::npos);
}

TEST(LabelMap, ReadsIndicesOfPalettesAndFewBits) {
  // palette4.png and grey2.png of the pictures: their stored values, not their colours.
  const auto values = [](const char* name) {
    const Image labels = read_label_map(test_folder() / "pictures" / name);
    return std::set<int>(labels.pixels.begin(), labels.pixels.end());
  };
  EXPECT_LE(*values("palette4.png").rbegin(), 15);
  EXPECT_EQ(values("grey2.png"), (std::set<int>{0, 1, 2, 3}));
  EXPECT_EQ(values("palette1.png"), (std::set<int>{0, 1}));
  for (const char* name : {"rgb8.png", "grey16.png", "grey_alpha8.png", "rgb420.jpg"}) {
    EXPECT_THROW(read_label_map(test_folder() / "pictures" / name), ImageError) << name;
  }
}

TEST(LabelMap, UnpacksBitsInOrder) {
  const Image map = labels_of({0, 1, 150, 255, 7, 3}, 3);
  EXPECT_EQ(decode_label_map(encode_png(map), "map"), map);
}

// The first colours of the PASCAL VOC devkit, whose 0 is the background.
TEST(DefaultColour, IsTheOneOfPascalVoc) {
  EXPECT_EQ(default_colour(0), (Rgb{128, 0, 0}));
  EXPECT_EQ(default_colour(1), (Rgb{0, 128, 0}));
  EXPECT_EQ(default_colour(2), (Rgb{128, 128, 0}));
  EXPECT_EQ(default_colour(14), (Rgb{192, 128, 128}));
}

TEST(LabelDrawing, ClassesByFrequency) {
  Image labels(5, 2, 1);
  labels.pixels = {2, 2, 2, 0, 7, 1, 1, 0, 255, 255};
  // 7 is no class of 4, and 255 is nobody's.
  const std::vector<ClassPixels> found = classes_in(labels, 4);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].index, 2U);
  EXPECT_EQ(found[0].pixels, 3);
  EXPECT_EQ(found[1].index, 0U);  // as often as 1, and before it
  EXPECT_EQ(found[2].index, 1U);
  EXPECT_EQ(found[2].pixels, 2);
}

TEST(LabelDrawing, ColoursAndLegend) {
  const std::vector<Rgb> colours{{1, 2, 3}, {200, 100, 50}};
  const Image labels = labels_of({0, 1, 255, 1}, 2);
  const Image mask = colour_labels(labels, colours);
  EXPECT_EQ(mask.pixels, (std::vector<uint8_t>{1, 2, 3, 200, 100, 50, 0, 0, 0, 200, 100, 50}));
  const Image big(60, 40);
  const Image shown = with_legend(big, Image(60, 40, 1), {"sky", "road"}, colours);
  EXPECT_EQ(shown.height, 40);
  EXPECT_GT(shown.width, 80);
  EXPECT_EQ(shown.row(9)[3 * 68], 1) << "the sample of the first class's colour";
}

}  // namespace
}  // namespace nala::data
