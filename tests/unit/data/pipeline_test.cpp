#include "data/transforms/pipeline.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "data/batch_builder.h"
#include "data/image_tensor.h"
#include "data/transforms/color_jitter.h"
#include "data/transforms/crop.h"
#include "data/transforms/enhance.h"
#include "data/transforms/random_erasing.h"
#include "data/transforms/resize.h"
#include "support.h"

namespace nala::data {
namespace {

ErasingConfig erasing(EraseFill mode) {
  ErasingConfig config;
  config.probability = 0.25;
  config.mode = mode;
  return config;
}

TEST(Erasing, WindowsAreDrawnAsTheProtocolSays) {
  constexpr int kDraws = 40000;
  int erased = 0;
  double area = 0;
  double log_ratio = 0;
  for (uint64_t key = 0; key < kDraws; ++key) {
    Rng rng(Stream::augment, {key, 21});
    const auto windows = draw_erased(erasing(EraseFill::pixel), 224, 224, rng);
    ASSERT_LE(windows.size(), 1U);
    if (windows.empty()) {
      continue;
    }
    const Window& w = windows[0];
    ASSERT_LT(w.width, 224);
    ASSERT_LT(w.height, 224);
    ASSERT_LE(w.left + w.width, 224);
    ASSERT_LE(w.top + w.height, 224);
    ++erased;
    area += static_cast<double>(w.width * w.height) / (224.0 * 224.0);
    log_ratio += std::log(static_cast<double>(w.height) / static_cast<double>(w.width));
  }
  // All but the rare rectangle longer than a side is taken: mean area near (0.02 + 1/3) / 2,
  // mean log ratio 0 by symmetry; five standard errors.
  EXPECT_NEAR(erased, kDraws * 0.25, 433);
  EXPECT_NEAR(area / erased, 0.1763, 0.0046);
  EXPECT_NEAR(log_ratio / erased, 0.0, 0.035);
}

TEST(Erasing, FillsAsTheModeSays) {
  const int64_t side = 64;
  for (const EraseFill mode : {EraseFill::pixel, EraseFill::rand, EraseFill::constant}) {
    ErasingConfig config = erasing(mode);
    config.probability = 1;
    std::vector<float> values(static_cast<size_t>(side * side * 3), 7.0F);
    Rng rng(Stream::augment, {5});
    Rng same(Stream::augment, {5});
    erase_randomly(config, side, side, values.data(), rng);
    const Window window = draw_erased(config, side, side, same).at(0);
    std::set<float> inside;
    for (int64_t i = 0; i < side * side * 3; ++i) {
      const int64_t x = i / 3 % side - window.left;
      const int64_t y = i / 3 / side - window.top;
      if (x >= 0 && x < window.width && y >= 0 && y < window.height) {
        inside.insert(values[static_cast<size_t>(i)]);
      } else {
        ASSERT_EQ(values[static_cast<size_t>(i)], 7.0F);
      }
    }
    EXPECT_FALSE(inside.contains(7.0F));
    const auto values_inside = static_cast<size_t>(window.width * window.height * 3);
    EXPECT_EQ(inside.size() > values_inside * 9 / 10, mode == EraseFill::pixel);
    EXPECT_EQ(inside.size() == 3, mode == EraseFill::rand);
    EXPECT_EQ(inside == std::set<float>{0.0F}, mode == EraseFill::constant);
  }
}

TEST(Erasing, NoiseIsStandardNormal) {
  std::vector<float> values(400001);
  Rng rng(Stream::augment, {8});
  fill_normal(values, rng);
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  double neighbours = 0;
  int beyond = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double v = values[i];
    ASSERT_TRUE(std::isfinite(v));
    sum += v;
    squares += v * v;
    fourth += v * v * v * v;
    neighbours += i > 0 ? v * values[i - 1] : 0;
    beyond += std::abs(v) > 1.959964 ? 1 : 0;
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(neighbours / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(beyond / n, 0.05, 5 * std::sqrt(0.05 * 0.95 / n));
}

TEST(ColourJitter, DrawsItsFactorsInTheirRanges) {
  // A picture of one grey level: brightness alone changes it, linearly.
  Image grey(4, 4);
  std::fill(grey.pixels.begin(), grey.pixels.end(), uint8_t{100});
  int low = 255;
  int high = 0;
  double mean = 0;
  for (uint64_t key = 0; key < 3000; ++key) {
    Image image = grey;
    Rng rng(Stream::augment, {key, 31});
    jitter_colors(image, {0.4}, rng);
    low = std::min<int>(low, image.pixels[0]);
    high = std::max<int>(high, image.pixels[0]);
    mean += image.pixels[0] / 3000.0;
  }
  EXPECT_EQ(low, 60);
  EXPECT_EQ(high, 139);
  EXPECT_NEAR(mean, 99.5, 2.2);
  Image same = grey;
  Rng rng(Stream::augment, {1});
  jitter_colors(same, {}, rng);
  EXPECT_EQ(same, grey);
}

TEST(ColourJitter, TakesEveryOrder) {
  // Inverted roles: with strengths this large the order shows in the result.
  const Image image = noise(9, 9);
  std::set<std::string> results;
  for (uint64_t key = 0; key < 200; ++key) {
    Image out = image;
    Rng rng(Stream::augment, {key, 33});
    jitter_colors(out, {0.9, 0.9, 0.9, 0.5}, rng);
    results.insert(digest(out));
  }
  EXPECT_EQ(results.size(), 200U);
}

DataConfig recipe() {
  DataConfig config;
  config.image_size = {48};
  config.batch_size = 4;
  config.augment.policy = "rand-m9-mstd0.5-inc1";
  config.augment.erasing = erasing(EraseFill::pixel);
  config.augment.mixup = 0.8;
  config.augment.cutmix = 1.0;
  return config;
}

TEST(TrainTransform, GoesFromPartToPictureAsOneFunctionOfTheKey) {
  const Image image = noise(90, 70);
  const DataConfig config = recipe();
  const TrainTransform transform(config);
  std::set<std::string> different;
  for (uint64_t key = 0; key < 30; ++key) {
    Rng one(Stream::augment, {key});
    Rng other(Stream::augment, {key});
    const Part part = transform.choose(90, 70, one);
    const Image out = transform(crop(image, part.window), one);
    EXPECT_EQ(out, augment(image, config, other));
    different.insert(digest(out));
  }
  EXPECT_GE(different.size(), 29U);
}

TEST(TrainTransform, RandomInterpolationTakesBoth) {
  DataConfig config;
  config.image_size = {24};
  config.augment.crop = TrainCrop::none;
  config.augment.flip = 0;
  config.augment.interpolation = TrainInterpolation::random;
  const Image image = noise(50, 40);
  const Image bicubic = resize(image, 24, 24, Interpolation::bicubic);
  const Image bilinear = resize(image, 24, 24, Interpolation::bilinear);
  int bicubics = 0;
  for (uint64_t key = 0; key < 400; ++key) {
    Rng rng(Stream::augment, {key, 2});
    const Image out = augment(image, config, rng);
    ASSERT_TRUE(out == bicubic || out == bilinear);
    bicubics += out == bicubic ? 1 : 0;
  }
  EXPECT_NEAR(bicubics, 200, 50);
}

TEST(EvalTransform, NeedsOnlyThePartItNames) {
  for (const auto& [width, height] : {std::pair{90, 70}, {30, 61}, {48, 48}, {500, 55}}) {
    const Image image = noise(width, height);
    DataConfig config;
    config.image_size = {48};
    for (const EvalCrop kind : {EvalCrop::center, EvalCrop::none}) {
      config.eval.crop = kind;
      const EvalTransform transform(config);
      const Part part = transform.choose(width, height);
      EXPECT_EQ(transform(crop(image, part.window), width, height), resize_for_eval(image, config));
    }
  }
}

TEST(Pipeline, FileGivesWhatItsPictureGives) {
  const TemporaryFolder folder;
  DataConfig config;
  config.image_size = {48, 32};
  folder.write("noise.jpg", encode_jpeg(noise(200, 150)));
  const auto path = folder.path() / "noise.jpg";
  const at::Tensor exact = prepare_for_eval(read_image(path), config);
  EXPECT_TRUE(at::equal(read_for_eval(path, config), exact));
  config.fast_decode = true;
  EXPECT_FALSE(at::equal(read_for_eval(path, config), exact)) << "decoded at a lower resolution";
}

// The first batch of the builder's epoch; recipe() makes it four pictures.
Batch first_batch(BatchBuilder& builder) {
  Draft draft = builder.begin(0);
  for (int64_t slot = 0; slot < 4; ++slot) {
    builder.fill(draft, slot);
  }
  return builder.finish(std::move(draft)).batch;
}

TEST(Batch, MixingStopsAtItsEpoch) {
  DataConfig config = recipe();
  config.augment.mix_off_epoch = 3;
  const auto dataset = std::make_shared<IndexPictures>(8);
  BatchBuilder builder(dataset, config, {}, 1);
  for (const auto& [epoch, mixed] : {std::pair{0, true}, {2, true}, {3, false}, {9, false}}) {
    builder.set_epoch(epoch);
    EXPECT_EQ(first_batch(builder).other_labels.defined(), mixed) << epoch;
  }
}

TEST(Batch, SizesFollowTheirSchedule) {
  DataConfig config = recipe();
  config.augment.sizes = {16, 24, 48};
  config.augment.size_epochs = {0, 2, 5};
  BatchBuilder builder(std::make_shared<IndexPictures>(8), config, {}, 1);
  for (const auto& [epoch, side] :
       {std::pair{0, 16}, {1, 16}, {2, 24}, {4, 24}, {5, 48}, {9, 48}}) {
    builder.set_epoch(epoch);
    EXPECT_EQ(first_batch(builder).images.sizes(), at::IntArrayRef({4, 3, side, side})) << epoch;
  }
}

TEST(Batch, RunsOnOverThePassesOfAnEpoch) {
  DataConfig config = recipe();
  config.repeat = 3;
  constexpr int64_t kPictures = 6;  // not a multiple of the batch of 4
  const auto dataset = std::make_shared<IndexPictures>(kPictures);
  Loader loader(dataset, config, {});
  EXPECT_EQ(loader.batches_per_epoch(), 4);  // of 18 pictures
  std::set<std::vector<int64_t>> passes;
  for (const int64_t epoch : {0, 1}) {
    loader.start(epoch);
    std::vector<int64_t> visited;
    while (const auto batch = loader.next()) {
      visited.insert(visited.end(), batch->indices.begin(), batch->indices.end());
    }
    ASSERT_EQ(visited.size(), 16U);
    for (const int64_t pass : {0, 1}) {
      std::vector<int64_t> indices(visited.begin() + pass * kPictures,
                                   visited.begin() + (pass + 1) * kPictures);
      passes.insert(indices);
      std::sort(indices.begin(), indices.end());
      EXPECT_EQ(indices, (std::vector<int64_t>{0, 1, 2, 3, 4, 5})) << epoch << " " << pass;
    }
  }
  EXPECT_EQ(passes.size(), 4U) << "two passes in the same order";
}

TEST(ImageOf, TakesAnyStrides) {
  const at::Tensor map = at::arange(2 * 3 * 3, at::kByte).view({3, 2, 3});  // (C, H, W)
  const Image colours = image_of(map.permute({1, 2, 0}));
  EXPECT_EQ(colours.width, 3);
  EXPECT_EQ(colours.height, 2);
  EXPECT_EQ(colours.channels, 3);
  EXPECT_EQ(colours.pixels,
            (std::vector<uint8_t>{0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 16, 5, 11, 17}));
  const Image grey = image_of(map.select(0, 1).t());
  EXPECT_EQ(grey.channels, 1);
  EXPECT_EQ(grey.width, 2);
  EXPECT_EQ(grey.pixels, (std::vector<uint8_t>{6, 9, 7, 10, 8, 11}));
}

}  // namespace
}  // namespace nala::data
