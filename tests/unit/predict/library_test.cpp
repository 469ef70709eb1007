#include <gtest/gtest.h>
#include <nalaformer/predictor.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "core/config.h"
#include "io/safetensors.h"
#include "io/state_dict.h"
#include "models/model.h"
#include "train/recipe.h"

namespace {

using nalaformer::ClassScore;
using nalaformer::Picture;
using nalaformer::PixelView;
using nalaformer::Predictor;

const std::filesystem::path kDigits = std::filesystem::path(NALA_MODELS) / "digits.safetensors";

Picture noise(int64_t width, int64_t height, int64_t channels, unsigned seed) {
  std::mt19937 engine(seed);
  Picture picture{width, height, channels, {}};
  for (int64_t i = 0; i < width * height * channels; ++i) {
    picture.pixels.push_back(static_cast<uint8_t>(engine() & 255U));
  }
  return picture;
}

void expect_equal(const std::vector<ClassScore>& left, const std::vector<ClassScore>& right) {
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].index, right[i].index);
    EXPECT_NEAR(left[i].probability, right[i].probability, 1e-5);
  }
}

// A small network written as `export` writes one, and the network itself.
struct Written {
  std::filesystem::path file;
  std::shared_ptr<nala::models::Model> model;
};

Written write_network(nala::models::Task task, const std::string& model_yaml) {
  auto recipe = nala::config::read<nala::train::Recipe>(nala::config::parse(
      std::string("task: ") + std::string(nala::models::names_of(task)[static_cast<size_t>(task)]) +
          "\n" + model_yaml,
      "test"));
  Written written{std::filesystem::temp_directory_path() /
                      ("nala_library_" + std::to_string(::getpid()) + ".safetensors"),
                  nala::models::build_model(recipe.model, task, 7)};
  written.model->eval();
  nala::io::write_safetensors(
      written.file, nala::io::state_dict(*written.model),
      {{"nalaformer.config", nala::config::to_yaml(nala::config::write(recipe))}});
  return written;
}

TEST(Library, ChannelsAndRowsOfTheCallersPixels) {
  const Predictor predictor(kDigits);
  ASSERT_EQ(predictor.task(), nalaformer::Task::classification);
  ASSERT_EQ(predictor.classes().size(), 10U);
  EXPECT_EQ(predictor.scale(), 1);
  const Picture grey = noise(21, 17, 1, 1);
  Picture rgb{21, 17, 3, {}};
  std::vector<uint8_t> rgba_rows;  // with 5 bytes of something else after every row
  for (int64_t y = 0; y < 17; ++y) {
    for (int64_t x = 0; x < 21; ++x) {
      const uint8_t value = grey.pixels[static_cast<size_t>(21 * y + x)];
      rgb.pixels.insert(rgb.pixels.end(), 3, value);
      rgba_rows.insert(rgba_rows.end(), {value, value, value, static_cast<uint8_t>(x)});
    }
    rgba_rows.insert(rgba_rows.end(), 5, 99);
  }
  const auto expected = predictor.classify(rgb, 10);
  ASSERT_EQ(expected.size(), 10U);
  expect_equal(predictor.classify(grey, 10), expected);
  expect_equal(predictor.classify(PixelView{rgba_rows.data(), 21, 17, 4, 21 * 4 + 5}, 10),
               expected);
  double sum = 0;
  for (const ClassScore& score : expected) {
    EXPECT_EQ(score.label, predictor.classes()[static_cast<size_t>(score.index)]);
    sum += score.probability;
  }
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST(Library, BatchesAndThreads) {
  const Predictor predictor(kDigits);
  std::vector<Picture> pictures;
  std::vector<PixelView> views;
  for (unsigned i = 0; i < 6; ++i) {
    pictures.push_back(noise(28 + i, 40 - i, 3, i));
  }
  views.assign(pictures.begin(), pictures.end());
  const auto together = predictor.classify(views, 3);
  ASSERT_EQ(together.size(), 6U);
  EXPECT_TRUE(predictor.classify(std::span<const PixelView>(), 3).empty());
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < pictures.size(); ++i) {
        expect_equal(predictor.classify(pictures[i], 3), together[i]);
      }
    });
  }
}

TEST(Library, LabelMapIsTheLikeliestClassOfEveryPixel) {
  const Written written = write_network(nala::models::Task::segmentation, R"(
model: {name: custom, embed_dims: [8, 8, 16, 16], depths: [1, 1, 1, 1], heads: [1, 1, 2, 2],
        mlp_ratio: 2, stage_kinds: [linear, linear, softmax, softmax], num_classes: 5,
        segmentation: {head: semantic_fpn}}
data: {name: ade20k, segmentation: {scale: [64, 64]}}
)");
  const Predictor predictor(written.file);
  std::filesystem::remove(written.file);
  const Picture picture = noise(64, 64, 3, 3);
  const Picture labels = predictor.label_map(picture);
  ASSERT_EQ(labels.channels, 1);
  ASSERT_EQ(labels.width, 64);
  ASSERT_EQ(labels.height, 64);
  const at::NoGradGuard no_grad;
  at::Tensor image = at::empty({1, 3, 64, 64});  // normalised with ImageNet's mean and deviation
  const float mean[] = {0.485F, 0.456F, 0.406F};
  const float deviation[] = {0.229F, 0.224F, 0.225F};
  for (int64_t i = 0; i < 64 * 64 * 3; ++i) {
    image.select(1, i % 3).view({-1})[i / 3] =
        (static_cast<float>(picture.pixels[static_cast<size_t>(i)]) / 255 - mean[i % 3]) /
        deviation[i % 3];
  }
  const at::Tensor expected =
      at::upsample_bilinear2d((*written.model)(image), {64, 64}, false).argmax(1).to(at::kByte);
  const at::Tensor found =
      at::from_blob(const_cast<uint8_t*>(labels.pixels.data()), {1, 64, 64}, at::kByte);
  // Ties apart, which rounding decides.
  EXPECT_GT(found.eq(expected).to(at::kFloat).mean().item<double>(), 0.999);
  EXPECT_THROW(static_cast<void>(predictor.classify(picture)), nalaformer::Error);
}

TEST(Library, EnlargedIsTheNetworksRounded) {
  const Written written = write_network(nala::models::Task::super_resolution, R"(
model: {super_resolution: {scale: 2, channels: 16, groups: [1], heads: 2}}
)");
  const Predictor predictor(written.file);
  std::filesystem::remove(written.file);
  EXPECT_EQ(predictor.scale(), 2);
  EXPECT_TRUE(predictor.classes().empty());
  const Picture picture = noise(11, 7, 3, 4);
  const Picture larger = predictor.enlarge(picture);
  ASSERT_EQ(larger.width, 22);
  ASSERT_EQ(larger.height, 14);
  ASSERT_EQ(larger.channels, 3);
  const at::NoGradGuard no_grad;
  const at::Tensor bytes =
      at::from_blob(const_cast<uint8_t*>(picture.pixels.data()), {1, 7, 11, 3}, at::kByte);
  const at::Tensor expected =
      ((*written.model)((bytes.to(at::kFloat) / 255).permute({0, 3, 1, 2})) * 255 + 0.5)
          .floor()
          .clamp(0, 255)
          .permute({0, 2, 3, 1});
  const at::Tensor found =
      at::from_blob(const_cast<uint8_t*>(larger.pixels.data()), {1, 14, 22, 3}, at::kByte);
  EXPECT_LE((found.to(at::kFloat) - expected).abs().max().item<double>(), 1);
  EXPECT_EQ(predictor.enlarge(noise(11, 7, 4, 4)).channels, 4);
  EXPECT_EQ(predictor.enlarge(noise(11, 7, 1, 4)).channels, 1);
}

TEST(Library, WhatCannotBeDoneIsRefused) {
  EXPECT_THROW(Predictor("/nowhere"), nalaformer::Error);
  EXPECT_THROW(Predictor(kDigits, {.weights = "both"}), nalaformer::Error);
  EXPECT_THROW(Predictor(kDigits, {.device = "tpu"}), nalaformer::Error);
  EXPECT_THROW(static_cast<void>(nalaformer::read_picture(kDigits)), nalaformer::Error);
  const Predictor predictor(kDigits);
  const Picture picture = noise(9, 9, 3, 5);
  EXPECT_THROW(static_cast<void>(predictor.label_map(picture)), nalaformer::Error);
  EXPECT_THROW(static_cast<void>(predictor.enlarge(picture)), nalaformer::Error);
  EXPECT_THROW(static_cast<void>(predictor.classify(picture, 0)), nalaformer::Error);
  for (const PixelView& wrong :
       {PixelView{}, PixelView{picture.pixels.data(), 0, 9},
        PixelView{picture.pixels.data(), 9, -1},
        PixelView{picture.pixels.data(), int64_t{1} << 40, int64_t{1} << 40},
        PixelView{picture.pixels.data(), 9, 9, 2}, PixelView{picture.pixels.data(), 9, 9, 3, 26}}) {
    EXPECT_THROW(static_cast<void>(predictor.classify(wrong)), nalaformer::Error);
  }
}

}  // namespace
