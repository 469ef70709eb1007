// The `data` part of the configuration.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace nala::data {

enum class Split { train, val };
std::span<const std::string_view> names_of(Split);

enum class DatasetName { image_folder, digits, synthetic };
std::span<const std::string_view> names_of(DatasetName);

enum class OnBadFile { error, skip };
std::span<const std::string_view> names_of(OnBadFile);

enum class Interpolation { bicubic, bilinear };
std::span<const std::string_view> names_of(Interpolation);

/// How a training picture comes to data.image_size.
enum class TrainCrop {
  none,            ///< stretched to it
  random_resized,  ///< a random window, stretched to it (ImageNet)
  padded,          ///< stretched to it, zeros added around, a random window of that size (CIFAR)
};
std::span<const std::string_view> names_of(TrainCrop);

/// How an evaluated picture comes to data.image_size.
enum class EvalCrop {
  center,  ///< resized keeping its proportions, then the centre
  none,    ///< stretched to it
};
std::span<const std::string_view> names_of(EvalCrop);

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

/// Training transforms (protocols.md b.1 and b.2). Mixup and CutMix are off unless asked for.
struct AugmentConfig {
  TrainCrop crop = TrainCrop::random_resized;
  std::vector<double> scale{0.08, 1.0};
  std::vector<double> ratio{0.75, 4.0 / 3.0};
  int64_t padding = 4;
  double flip = 0.5;
  AffineConfig affine;
  double mixup = 0.0;
  double cutmix = 0.0;
  double mix_probability = 1.0;
  double switch_probability = 0.5;

  /// Whether pictures are mixed at all.
  [[nodiscard]] bool mixes() const {
    return (mixup > 0.0 || cutmix > 0.0) && mix_probability > 0.0;
  }

  template <class V>
  static void fields(AugmentConfig& c, V&& v) {
    v("crop", c.crop, "how a training picture comes to data.image_size");
    v("scale", c.scale, "random_resized: smallest and largest share of the picture's area",
      config::between(0.0, 1.0));
    v("ratio", c.ratio, "random_resized: smallest and largest width / height", config::above(0.0));
    v("padding", c.padding, "padded: zeros added on each side, in pixels", config::between(0, 512));
    v("flip", c.flip, "probability of mirroring left and right", config::between(0.0, 1.0));
    v("affine", c.affine, "random rotation, slant, shift and enlargement");
    v("mixup", c.mixup, "Mixup's alpha; 0: off", config::at_least(0.0));
    v("cutmix", c.cutmix, "CutMix's alpha; 0: off", config::at_least(0.0));
    v("mix_probability", c.mix_probability, "probability that a group is mixed",
      config::between(0.0, 1.0));
    v("switch_probability", c.switch_probability, "with both on: probability of CutMix",
      config::between(0.0, 1.0));
  }
  static void check(const AugmentConfig& c, const config::Where& fail);
};

/// Evaluation transforms (protocols.md b.1).
struct EvalConfig {
  int64_t resize = 0;
  EvalCrop crop = EvalCrop::center;

  template <class V>
  static void fields(EvalConfig& c, V&& v) {
    v("resize", c.resize,
      "short side before the crop; 0: 256/224 of data.image_size up to 224, above that itself",
      config::between(0, 16384));
    v("crop", c.crop, "center: resize, then the centre; none: stretch to data.image_size");
  }
};

/// Pictures drawn by the program: needs no files.
struct SyntheticConfig {
  int64_t classes = 10;
  int64_t train_images = 1000;
  int64_t val_images = 200;
  std::vector<int64_t> size{64};
  int64_t seed = 0;

  template <class V>
  static void fields(SyntheticConfig& c, V&& v) {
    v("classes", c.classes, "number of classes", config::between(1, 1e6));
    v("train_images", c.train_images, "pictures to train on", config::between(1, 1e9));
    v("val_images", c.val_images, "pictures to evaluate on", config::between(1, 1e9));
    v("size", c.size, "one number or [height, width]", config::between(1, 8192));
    v("seed", c.seed, "another seed, other pictures", config::at_least(0));
  }
  static void check(const SyntheticConfig& c, const config::Where& fail);
};

struct DataConfig {
  DatasetName name = DatasetName::image_folder;
  config::Path root;
  std::string train = "train";
  std::string val = "val";
  std::vector<int64_t> image_size{224};
  int64_t batch_size = 64;
  int64_t mix_group = 0;
  int64_t workers = 2;
  OnBadFile on_bad_file = OnBadFile::error;
  std::vector<double> mean{0.485, 0.456, 0.406};
  std::vector<double> std{0.229, 0.224, 0.225};
  Interpolation interpolation = Interpolation::bicubic;
  AugmentConfig augment;
  EvalConfig eval;
  SyntheticConfig synthetic;
  bool shuffle_labels = false;
  int64_t limit = 0;

  [[nodiscard]] int64_t height() const { return image_size.front(); }
  [[nodiscard]] int64_t width() const { return image_size.back(); }
  /// Consecutive positions of the epoch that are mixed with each other.
  [[nodiscard]] int64_t group_size() const { return mix_group == 0 ? batch_size : mix_group; }

  template <class V>
  static void fields(DataConfig& c, V&& v) {
    v("name", c.name, "kind of data set");
    v("root", c.root, "folder of the data set (digits: datasets/digits when not given)");
    v("train", c.train, "folder below the root to train on");
    v("val", c.val, "folder below the root to evaluate on");
    v("image_size", c.image_size, "what the model sees: one number or [height, width]",
      config::between(1, 8192));
    v("batch_size", c.batch_size, "pictures per step and process", config::between(1, 1 << 20));
    v("mix_group", c.mix_group,
      "pictures that Mixup and CutMix take together; divides batch_size; 0: batch_size",
      config::between(0, 1 << 20));
    v("workers", c.workers, "threads that decode; 0: decode in the training thread",
      config::between(0, 1024));
    v("on_bad_file", c.on_bad_file, "a picture that cannot be read: stop, or go on and count it");
    v("mean", c.mean, "subtracted per channel from values in 0 ... 1", config::between(0.0, 1.0));
    v("std", c.std, "divides per channel after that", config::above(0.0));
    v("interpolation", c.interpolation, "of every resize, exactly as Pillow's");
    v("augment", c.augment, "training transforms");
    v("eval", c.eval, "evaluation transforms");
    v("synthetic", c.synthetic, "pictures of data.name=synthetic");
    v("shuffle_labels", c.shuffle_labels,
      "control experiment: training labels permuted among the pictures");
    v("limit", c.limit, "use this many pictures of each split, evenly spread; 0: all",
      config::at_least(0));
  }
  static void check(const DataConfig& c, const config::Where& fail);
};

}  // namespace nala::data
