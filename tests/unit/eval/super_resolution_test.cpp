#include "eval/super_resolution.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "data/datasets/super_resolution.h"
#include "data/samples/super_resolution.h"
#include "eval/metrics/psnr.h"
#include "eval/metrics/ssim.h"

namespace nala::eval {
namespace {

using data::SuperResolutionProtocol;

at::Tensor drawn(int64_t channels, int64_t height, int64_t width, double phase) {
  const int64_t count = channels * height * width;
  return (127.5 + 127.5 * (at::arange(count, at::kDouble) * 0.37 + phase).sin())
      .round()
      .view({channels, height, width});
}

TEST(Psnr, IsWhatItsFormulaGives) {
  const at::Tensor zero = at::zeros({1, 4, 4}, at::kDouble);
  // A difference of 255 everywhere: 0 dB; of 1: 20 log10(255).
  EXPECT_NEAR(psnr(zero, zero + 255), 0, 1e-12);
  EXPECT_NEAR(psnr(zero, zero + 1), 48.13080360867910, 1e-10);
  EXPECT_TRUE(std::isinf(psnr(zero, zero)));
}

TEST(Luma, IsBt601OfMatlab) {
  const auto pixel = [](double r, double g, double b) {
    return luma(at::tensor({r, g, b}, at::kDouble).view({3, 1, 1})).item<double>();
  };
  EXPECT_NEAR(pixel(0, 0, 0), 16, 1e-12);
  EXPECT_NEAR(pixel(255, 255, 255), 235, 1e-12);
  EXPECT_NEAR(pixel(255, 0, 0), 16 + 65.481, 1e-12);
  EXPECT_NEAR(pixel(0, 255, 0), 16 + 128.553, 1e-12);
  EXPECT_NEAR(pixel(0, 0, 255), 16 + 24.966, 1e-12);
  const at::Tensor grey = drawn(1, 3, 3, 0);
  EXPECT_TRUE(luma(grey).equal(grey));
}

// One window of 11 x 11, computed straight from the definition.
TEST(Ssim, AgreesWithItsDefinitionOnOneWindow) {
  const at::Tensor a = drawn(1, 11, 11, 0);
  const at::Tensor b = drawn(1, 11, 11, 1);
  double mean_a = 0, mean_b = 0, total = 0;
  const auto weight = [](int64_t y, int64_t x) {
    return std::exp(-static_cast<double>((y - 5) * (y - 5) + (x - 5) * (x - 5)) / 4.5);
  };
  const auto sum = [&](const auto& value) {
    double result = 0;
    for (int64_t y = 0; y < 11; ++y) {
      for (int64_t x = 0; x < 11; ++x) {
        result += weight(y, x) * value(a[0][y][x].item<double>(), b[0][y][x].item<double>());
      }
    }
    return result;
  };
  total = sum([](double, double) { return 1.0; });
  mean_a = sum([](double p, double) { return p; }) / total;
  mean_b = sum([](double, double q) { return q; }) / total;
  const double var_a = sum([&](double p, double) { return (p - mean_a) * (p - mean_a); }) / total;
  const double var_b = sum([&](double, double q) { return (q - mean_b) * (q - mean_b); }) / total;
  const double cov = sum([&](double p, double q) { return (p - mean_a) * (q - mean_b); }) / total;
  const double expected =
      (2 * mean_a * mean_b + 6.5025) * (2 * cov + 58.5225) /
      ((mean_a * mean_a + mean_b * mean_b + 6.5025) * (var_a + var_b + 58.5225));
  EXPECT_NEAR(ssim(a, b), expected, 1e-10);
  EXPECT_NEAR(ssim(a, a), 1, 1e-12);
  EXPECT_TRUE(std::isnan(ssim(drawn(1, 10, 20, 0), drawn(1, 10, 20, 0))));
}

TEST(ComparePictures, CutsTheBorderRoundsAndAveragesGrey) {
  const at::Tensor truth = drawn(3, 30, 30, 0);
  at::Tensor result = truth + 0.49;  // rounds back
  result.slice(1, 0, 2).zero_();     // within the border that is cut
  for (const auto protocol : {SuperResolutionProtocol::A, SuperResolutionProtocol::C}) {
    const PictureScores same = compare_pictures(result, truth, {protocol, 2});
    EXPECT_TRUE(std::isinf(same.psnr_y) && std::isinf(same.psnr_rgb));
    EXPECT_NEAR(same.ssim_y, 1, 1e-12);
    EXPECT_FALSE(std::isinf(compare_pictures(result, truth, {protocol, 1}).psnr_y));
  }
  // A difference of one in red alone is 65.481 / 255 of luma, which protocol C may round away.
  at::Tensor red = truth.clone();
  red[0] = (red[0] + 1).clamp_max(255);
  const double expected =
      psnr(luma(truth).slice(1, 2, 28).slice(2, 2, 28), luma(red).slice(1, 2, 28).slice(2, 2, 28));
  EXPECT_NEAR(compare_pictures(red, truth, {SuperResolutionProtocol::A, 2}).psnr_y, expected, 1e-9);
  EXPECT_NE(compare_pictures(red, truth, {SuperResolutionProtocol::C, 2}).psnr_y, expected);
  const at::Tensor grey = drawn(1, 30, 30, 0);
  EXPECT_TRUE(std::isinf(
      compare_pictures(at::cat({grey - 3, grey, grey + 3}), grey, {SuperResolutionProtocol::A, 2})
          .psnr_y));
}

struct Published {
  const char* set;
  int64_t scale;
  int64_t pictures;
};

std::filesystem::path shared_sets() {
  const char* given = std::getenv("NALA_SHARED");
  return std::filesystem::path(given != nullptr ? given : NALA_DEFAULT_SHARED) / "data" / "sr";
}

// "set name scale" -> fields of the line.
std::map<std::string, std::vector<std::string>> baseline_table() {
  std::map<std::string, std::vector<std::string>> rows;
  std::ifstream table(shared_sets() / "bicubic_baseline.tsv");
  for (std::string line; std::getline(table, line);) {
    std::stringstream fields(line);
    std::vector<std::string> row;
    for (std::string field; std::getline(fields, field, '\t');) {
      row.push_back(field);
    }
    rows[row[0] + " " + row[1] + " " + row[2]] = row;
  }
  return rows;
}

std::string printed(double value, int decimals) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

// The published bicubic rows (luma, protocols A and C), to the digits they are printed with.
void compare_with_table(const Published& published) {
  const auto table = baseline_table();
  data::DataConfig config;
  config.name = data::DatasetName::super_resolution;
  config.root.value = shared_sets().string();
  config.super_resolution.scale = published.scale;
  config.super_resolution.val_sets = {published.set};
  const auto sets = std::dynamic_pointer_cast<const data::SuperResolutionSets>(
      data::build_dataset(config, data::Split::val));
  const data::SuperResolutionSamples pictures(sets, config, data::Split::val);
  EXPECT_EQ(sets->size(), published.pictures);
  for (int64_t i = 0; i < sets->size(); ++i) {
    Rng unused(Stream::augment, {0});
    const data::MadeSample made = pictures.make(i, unused, {});
    const at::Tensor truth = (made.target.to(at::kDouble) * 255).round().permute({2, 0, 1});
    const at::Tensor low = (made.image.to(at::kDouble) * 255).round().permute({2, 0, 1});
    const std::string name = std::filesystem::path(sets->path(i)).stem().string();
    const auto& row =
        table.at(std::string(published.set) + " " + name + " " + std::to_string(published.scale));
    const auto a = bicubic_scores(low, truth, {SuperResolutionProtocol::A, published.scale});
    const auto c = bicubic_scores(low, truth, {SuperResolutionProtocol::C, published.scale});
    EXPECT_EQ(printed(a.psnr_y, 4), row[3]) << name;
    EXPECT_EQ(printed(a.ssim_y, 5), row[4]) << name;
    EXPECT_EQ(printed(c.psnr_y, 4), row[7]) << name;
    EXPECT_EQ(printed(c.ssim_y, 5), row[8]) << name;
  }
}

TEST(BicubicScores, EqualTheBaselineTable) {
  if (baseline_table().empty()) {
    GTEST_SKIP() << "no shared data (NALA_SHARED, or ../shared)";
  }
  for (const int64_t scale : {2, 3, 4}) {
    compare_with_table({"Set5", scale, 5});
  }
}

// Half a minute.
TEST(BicubicScores, SlowEqualTheWholeBaselineTable) {
  if (baseline_table().empty()) {
    GTEST_SKIP() << "no shared data (NALA_SHARED, or ../shared)";
  }
  for (const int64_t scale : {2, 3, 4}) {
    compare_with_table({"Set14", scale, 14});
    compare_with_table({"BSD100", scale, 10});
  }
  compare_with_table({"Urban100", 2, 6});  // never published at x3
  compare_with_table({"Urban100", 4, 6});
}

}  // namespace
}  // namespace nala::eval
