#include "data/transforms/policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "data/transforms/enhance.h"
#include "data/transforms/gaussian_blur.h"
#include "support.h"

namespace nala::data {
namespace {

constexpr Colour kFill{124, 116, 104};
const std::vector<std::string> kOperations{
    "auto_contrast", "equalize",    "invert",      "rotate",       "posterize", "solarize",
    "solarize_add",  "color",       "contrast",    "brightness",   "sharpness", "shear_x",
    "shear_y",       "translate_x", "translate_y", "gaussian_blur"};

// By the formulas of make_operation_expectations.py.
Image picture(const std::string& kind, int64_t width, int64_t height) {
  Image image = noise(width, height);
  constexpr std::array<uint8_t, 3> kFlat{201, 77, 9};
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    if (kind == "faded") {
      image.pixels[i] = static_cast<uint8_t>(60 + image.pixels[i] / 3);
    } else if (kind == "flat") {
      image.pixels[i] = kFlat[i % 3];
    }
  }
  return image;
}

std::vector<std::vector<std::string>> rows_of(const std::string& kind) {
  auto rows = read_table(test_folder() / "operation_expectations.tsv");
  std::erase_if(rows, [&](const auto& row) { return row[0] != kind; });
  return rows;
}

TEST(Operations, EqualTimmOnPillow) {
  std::map<std::string, int> checked;
  for (const auto& row : rows_of("pixels")) {
    const auto found = std::find(kOperations.begin(), kOperations.end(), row[1]);
    ASSERT_NE(found, kOperations.end()) << row[1];
    const Sampling sampling{row[6] == "bilinear" ? Interpolation::bilinear : Interpolation::bicubic,
                            kFill};
    const Image out = apply(static_cast<Operation>(found - kOperations.begin()), std::stod(row[5]),
                            picture(row[2], std::stoll(row[3]), std::stoll(row[4])), sampling);
    EXPECT_EQ(digest(out).substr(0, 16), row[7])
        << row[1] << " of " << row[2] << " " << row[3] << "x" << row[4] << " by " << row[5] << " "
        << row[6];
    ++checked[row[1]];
  }
  EXPECT_EQ(checked.size(), kOperations.size());
}

TEST(Operations, ColourJitterEqualsTorchvision) {
  const auto rows = rows_of("jitter");
  EXPECT_GE(rows.size(), 200U);
  const std::map<std::string, void (*)(Image&, double)> adjustments{
      {"brightness", adjust_brightness},
      {"contrast", adjust_contrast},
      {"color", adjust_saturation},
      {"hue", adjust_hue}};
  for (const auto& row : rows) {
    Image image = picture(row[2], std::stoll(row[3]), std::stoll(row[4]));
    adjustments.at(row[1])(image, std::stod(row[5]));
    EXPECT_EQ(digest(image).substr(0, 16), row[7])
        << row[1] << " of " << row[2] << " " << row[3] << "x" << row[4] << " by " << row[5];
  }
}

TEST(Operations, PosterizingToNoBitsGivesBlack) {
  const Image out = apply(Operation::posterize, 0, noise(7, 5), {});
  EXPECT_EQ(std::count(out.pixels.begin(), out.pixels.end(), 0), 7 * 5 * 3);
}

TEST(Policy, LevelsBecomeTimmsArguments) {
  const auto rows = rows_of("level");
  EXPECT_GE(rows.size(), 160U);
  for (const auto& row : rows) {
    const double one = std::stod(row[3]);
    const double other = std::stod(row[4]);
    std::set<double> drawn;
    for (uint64_t key = 0; key < 40; ++key) {
      Rng rng(Stream::augment, {key});
      drawn.insert(draw_operation(row[1], std::stod(row[2]), rng).argument);
    }
    std::set<double> expected{one, other};
    if (row[1] == "Desaturate") {
      expected = {1.0 - one};  // timm passes the share taken away
    }
    EXPECT_EQ(drawn, expected) << row[1] << " at " << row[2];
  }
}

TEST(Policy, SignsAreFair) {
  for (const char* name : {"Rotate", "ShearX", "TranslateYRel", "ColorIncreasing"}) {
    int larger = 0;
    for (uint64_t key = 0; key < 4000; ++key) {
      Rng rng(Stream::augment, {key, 3});
      const double neutral = std::string_view(name) == "ColorIncreasing" ? 1.0 : 0.0;
      larger += draw_operation(name, 9, rng).argument > neutral ? 1 : 0;
    }
    EXPECT_NEAR(larger, 2000, 160) << name;  // five standard deviations
  }
}

TEST(Policy, TheRecipesStringMeansWhatTimmReads) {
  const AugmentPolicy policy("rand-m9-mstd0.5-inc1");
  ASSERT_EQ(policy.steps().size(), 15U);
  EXPECT_EQ(policy.steps()[4].name, "PosterizeIncreasing");
  EXPECT_EQ(policy.steps()[4].magnitude, 9);
  EXPECT_EQ(policy.steps()[4].probability, 0.5);
  constexpr int kDraws = 20000;
  double sum = 0;
  double squares = 0;
  int at_bound = 0;
  std::map<std::string_view, int> chosen;
  for (uint64_t key = 0; key < kDraws; ++key) {
    Rng rng(Stream::augment, {11, 0, key});
    const auto steps = policy.draw_steps(rng);
    ASSERT_EQ(steps.size(), 2U);
    for (const PolicyStep* step : steps) {
      ++chosen[step->name];
    }
    const double magnitude = policy.draw_magnitude(*steps[0], rng);
    ASSERT_LE(magnitude, 10);
    at_bound += magnitude == 10 ? 1 : 0;
    sum += magnitude;
    squares += magnitude * magnitude;
  }
  // A normal of mean 9 and deviation 0.5 cut at 10: P = 1 - Phi(2) = 0.02275, mean 8.99576,
  // deviation 0.48848 (closed form).
  EXPECT_NEAR(at_bound, kDraws * 0.02275, 106);
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 8.99576, 0.018);
  EXPECT_NEAR(std::sqrt(squares / kDraws - mean * mean), 0.4886, 0.015);
  EXPECT_EQ(chosen.size(), 15U);
  double chi_square = 0;
  for (const auto& [name, count] : chosen) {
    const double expected = 2.0 * kDraws / 15;
    chi_square += std::pow(count - expected, 2) / expected;
  }
  EXPECT_LT(chi_square, 36.1);  // 14 degrees of freedom, P = 0.001
}

TEST(Policy, EachStepIsAppliedWithItsProbability) {
  const Image image = noise(8, 8);
  const Image inverted = apply(Operation::invert, 0, image, {});
  int changed = 0;
  constexpr int kDraws = 4000;
  const AugmentPolicy policy("rand-m9-n1-p0.3-inc1");
  for (uint64_t key = 0; key < kDraws; ++key) {
    Rng rng(Stream::augment, {key, 5});
    changed += policy(image, std::nullopt, kFill, rng) == inverted ? 1 : 0;
  }
  EXPECT_NEAR(changed, kDraws * 0.3 / 15, 45);  // five standard deviations
}

TEST(Policy, WeightedListsAreDrawnWithoutReplacement) {
  const AugmentPolicy policy("rand-m9-n3-tweights");
  std::map<std::string_view, int> first;
  for (uint64_t key = 0; key < 20000; ++key) {
    Rng rng(Stream::augment, {key, 7});
    const auto steps = policy.draw_steps(rng);
    EXPECT_EQ(std::set(steps.begin(), steps.end()).size(), 3U);
    ++first[steps[0]->name];
  }
  // Of a total weight of 10.05.
  EXPECT_NEAR(first["Rotate"], 20000 * 3 / 10.05, 325);
  EXPECT_NEAR(first["ShearY"], 20000 * 2 / 10.05, 283);
  EXPECT_NEAR(first["Invert"], 20000 * 0.05 / 10.05, 50);
}

TEST(Policy, SectionsInAnyOrder) {
  EXPECT_EQ(AugmentPolicy("rand-inc1-n3-m7").steps()[0].magnitude, 7);
  EXPECT_EQ(AugmentPolicy("rand-m9-inc0").steps()[4].name, "Posterize");
  EXPECT_EQ(AugmentPolicy("rand").steps()[0].magnitude, 10);
  EXPECT_EQ(AugmentPolicy("rand-t3aw").steps().size(), 14U);
  Rng rng(Stream::augment, {1});
  const AugmentPolicy beyond("rand-m20-mmax15");
  EXPECT_EQ(beyond.draw_magnitude(beyond.steps()[0], rng), 15);
  const AugmentPolicy uniform("rand-m8-mstd101");
  double sum = 0;
  for (int i = 0; i < 4000; ++i) {
    sum += uniform.draw_magnitude(uniform.steps()[0], rng) / 4000;
  }
  EXPECT_NEAR(sum, 4.0, 0.19);  // uniform on 0 ... 8: five standard errors
}

TEST(Policy, ThreeAugmentTakesOneOfThree) {
  const AugmentPolicy policy("3a");
  const Image image = picture("faded", 24, 24);
  Image grey = image;
  adjust_saturation(grey, 0.0);
  const Image solarized = apply(Operation::solarize, 128, image, {});
  int greys = 0;
  int solarizeds = 0;
  for (uint64_t key = 0; key < 3000; ++key) {
    Rng rng(Stream::augment, {key, 9});
    const Image out = policy(image, Interpolation::bicubic, kFill, rng);
    greys += out == grey ? 1 : 0;
    solarizeds += out == solarized ? 1 : 0;
  }
  EXPECT_NEAR(greys, 1000, 130);
  EXPECT_NEAR(solarizeds, 1000, 130);
}

TEST(Policy, RefusesWhatItDoesNotKnow) {
  for (const char* text :
       {"", "rand-m", "rand-m9.5", "rand-x3", "rand-mstdx", "rand-p1.5", "rand-tother", "rand-n0",
        "augmix-m5", "original", "rand-m9-n16-t3aw", "rand-m1e99", "rand-mmax0", "rand--m9"}) {
    const std::string message = message_of([&] { AugmentPolicy{text}; });
    EXPECT_TRUE(message.find("': section '") != std::string::npos) << text << ": " << message;
  }
}

}  // namespace
}  // namespace nala::data
