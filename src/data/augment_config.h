// The `data.augment` part of the configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace nala::data {

enum class Interpolation { bicubic, bilinear };
std::span<const std::string_view> names_of(Interpolation);

/// Of the training transforms.
enum class TrainInterpolation {
  same,    ///< data.interpolation
  random,  ///< bilinear or bicubic, drawn for each use (timm's `random`)
};
std::span<const std::string_view> names_of(TrainInterpolation);

/// How a training picture comes to data.image_size.
enum class TrainCrop {
  none,            ///< stretched to it
  random_resized,  ///< a random window, stretched to it (ImageNet)
  padded,          ///< stretched to it, zeros added around, a random window of that size (CIFAR)
};
std::span<const std::string_view> names_of(TrainCrop);

/// A random affine map of a training picture; what torchvision calls RandomAffine.
struct AffineConfig {
  double probability = 0.0;
  double rotate = 0.0;
  double shear = 0.0;
  double translate = 0.0;
  std::vector<double> scale{1.0, 1.0};
  std::vector<double> fill;

  template <class V>
  static void fields(AffineConfig& c, V&& v) {
    v("probability", c.probability, "probability of mapping a picture; 0: off",
      config::between(0.0, 1.0));
    v("rotate", c.rotate, "largest rotation to either side, in degrees",
      config::between(0.0, 180.0));
    v("shear", c.shear, "largest slant to either side, in degrees", config::between(0.0, 80.0));
    v("translate", c.translate, "largest shift, as a share of the side", config::between(0.0, 1.0));
    v("scale", c.scale, "smallest and largest enlargement", config::between(0.01, 100.0));
    v("fill", c.fill, "colour beyond the border: three numbers in 0 ... 1; []: data.mean",
      config::between(0.0, 1.0));
  }
  static void check(const AffineConfig& c, const config::Where& fail);
};

/// What an erased rectangle is filled with, after normalisation.
enum class EraseFill {
  pixel,     ///< standard normal noise, value by value
  rand,      ///< one standard normal colour
  constant,  ///< zero, the mean colour (timm's `const`)
};
std::span<const std::string_view> names_of(EraseFill);

/// Random erasing (Zhong et al. 2017) as timm draws it.
struct ErasingConfig {
  double probability = 0.0;
  EraseFill mode = EraseFill::pixel;
  int64_t count = 1;
  std::vector<double> area{0.02, 1.0 / 3.0};
  double min_ratio = 0.3;

  template <class V>
  static void fields(ErasingConfig& c, V&& v) {
    v("probability", c.probability, "probability of erasing in a picture; 0: off",
      config::between(0.0, 1.0));
    v("mode", c.mode, "fill: noise, one random colour, or the mean");
    v("count", c.count, "up to this many rectangles, which share the area", config::between(1, 64));
    v("area", c.area, "smallest and largest share of the picture", config::between(0.0, 1.0));
    v("min_ratio", c.min_ratio, "smallest height / width; the largest is its inverse",
      config::between(0.01, 1.0));
  }
  static void check(const ErasingConfig& c, const config::Where& fail);
};

/// Training transforms (timm's). Mixup and CutMix are off unless asked for.
struct AugmentConfig {
  TrainCrop crop = TrainCrop::random_resized;
  std::vector<double> scale{0.08, 1.0};
  std::vector<double> ratio{0.75, 4.0 / 3.0};
  int64_t padding = 4;
  std::vector<int64_t> sizes;
  std::vector<int64_t> size_epochs;
  double flip = 0.5;
  TrainInterpolation interpolation = TrainInterpolation::same;
  AffineConfig affine;
  std::string policy;
  std::vector<double> color_jitter;
  ErasingConfig erasing;
  int64_t repeats = 1;
  double mixup = 0.0;
  double cutmix = 0.0;
  double mix_probability = 1.0;
  double switch_probability = 0.5;
  int64_t mix_off_epoch = 0;

  /// The side that `sizes` gives an epoch, or nothing.
  [[nodiscard]] std::optional<int64_t> size_in(int64_t epoch) const;
  /// Whether pictures are mixed at all.
  [[nodiscard]] bool mixes() const {
    return (mixup > 0.0 || cutmix > 0.0) && mix_probability > 0.0;
  }
  /// Whether they are in this epoch.
  [[nodiscard]] bool mixes_in(int64_t epoch) const {
    return mixes() && (mix_off_epoch == 0 || epoch < mix_off_epoch);
  }

  template <class V>
  static void fields(AugmentConfig& c, V&& v) {
    v("crop", c.crop, "how a training picture comes to data.image_size");
    v("scale", c.scale, "random_resized: smallest and largest share of the picture's area",
      config::between(0.0, 1.0));
    v("ratio", c.ratio, "random_resized: smallest and largest width / height", config::above(0.0));
    v("padding", c.padding, "padded: zeros added on each side, in pixels", config::between(0, 512));
    v("sizes", c.sizes, "schedule of square training sizes, in place of data.image_size; []: none",
      config::between(1, 8192));
    v("size_epochs", c.size_epochs, "the epoch from which each of sizes holds, rising from 0",
      config::at_least(0));
    v("flip", c.flip, "probability of mirroring left and right", config::between(0.0, 1.0));
    v("interpolation", c.interpolation,
      "of the crop's resize and of the policy: as data.interpolation, or drawn for each");
    v("affine", c.affine, "random rotation, slant, shift and enlargement");
    v("policy", c.policy,
      "timm's string for RandAugment, such as rand-m9-mstd0.5-inc1, or 3a; empty: none");
    v("color_jitter", c.color_jitter,
      "brightness, contrast, saturation and (fourth) hue: largest change of the factor; one number "
      "stands for the first three; []: none",
      config::between(0.0, 10.0));
    v("erasing", c.erasing, "random erasing, after normalisation");
    v("repeats", c.repeats,
      "repeated augmentation: times each picture comes in a row; 1: off, each picture once",
      config::between(1, 64));
    v("mixup", c.mixup, "Mixup's alpha; 0: off", config::at_least(0.0));
    v("cutmix", c.cutmix, "CutMix's alpha; 0: off", config::at_least(0.0));
    v("mix_probability", c.mix_probability, "probability that a group is mixed",
      config::between(0.0, 1.0));
    v("switch_probability", c.switch_probability, "with both on: probability of CutMix",
      config::between(0.0, 1.0));
    v("mix_off_epoch", c.mix_off_epoch, "first epoch without mixing; 0: all epochs mix",
      config::at_least(0));
  }
  static void check(const AugmentConfig& c, const config::Where& fail);
};

}  // namespace nala::data
