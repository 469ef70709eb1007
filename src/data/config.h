// The `data` part of the configuration.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "data/augment_config.h"
#include "data/segmentation_config.h"
#include "data/super_resolution_config.h"

namespace nala::data {

enum class Split { train, val };
std::span<const std::string_view> names_of(Split);

enum class DatasetName {
  image_folder,
  digits,
  synthetic,
  imagenet,
  file_list,
  shards,
  super_resolution,
  ade20k
};
std::span<const std::string_view> names_of(DatasetName);

enum class OnBadFile { error, skip };
std::span<const std::string_view> names_of(OnBadFile);

/// How an evaluated picture comes to data.image_size.
enum class EvalCrop {
  center,  ///< resized keeping its proportions, then the centre
  none,    ///< stretched to it
};
std::span<const std::string_view> names_of(EvalCrop);

/// Evaluation transforms (DeiT's by default).
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
  bool fast_decode = false;
  AugmentConfig augment;
  EvalConfig eval;
  SyntheticConfig synthetic;
  SegmentationData segmentation;
  SuperResolutionData super_resolution;
  config::Path class_list;
  config::Path val_labels;
  config::Path synset_map;
  config::Path real_labels;
  bool listing_cache = true;
  std::vector<std::string> only_classes;
  int64_t per_class = 0;
  int64_t repeat = 1;
  int64_t shuffle_buffer = 4096;
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
    v("train", c.train, "folder (file_list: file) below the root to train on");
    v("val", c.val, "folder (file_list: file) below the root to evaluate on");
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
    v("fast_decode", c.fast_decode,
      "decode JPEGs at 1/2, 1/4 or 1/8 where that is enough: faster, other pixels than Pillow's");
    v("augment", c.augment, "training transforms");
    v("eval", c.eval, "evaluation transforms");
    v("synthetic", c.synthetic, "pictures of data.name=synthetic");
    v("segmentation", c.segmentation, "pictures and label maps of data.name=ade20k");
    v("super_resolution", c.super_resolution, "sets of data.name=super_resolution");
    v("class_list", c.class_list,
      "file of all classes, a line each: folder name, tab, name to show; labels count its lines "
      "(ade20k: columns label, name, r, g, b below a line that names them)");
    v("val_labels", c.val_labels,
      "imagenet with a flat validation folder: its synset or ground-truth file");
    v("synset_map", c.synset_map,
      "where val_labels holds numbers: file with a synset and its number on each line");
    v("real_labels", c.real_labels,
      "ReaL's JSON of several right classes per ImageNet validation picture: evaluated as well");
    v("listing_cache", c.listing_cache,
      "remember what the folders of large sets hold in $NALA_CACHE_DIR or ~/.cache/nalaformer");
    v("only_classes", c.only_classes, "use these classes alone, renumbered; []: all");
    v("per_class", c.per_class, "use the first this many training pictures of each class; 0: all",
      config::at_least(0));
    v("repeat", c.repeat,
      "passes over the training pictures that make one epoch, each in an order of its own; batches "
      "run on from pass to pass",
      config::between(1, 1e7));
    v("shuffle_buffer", c.shuffle_buffer, "shards: pictures among which the next one is drawn",
      config::between(1, 1e7));
    v("shuffle_labels", c.shuffle_labels,
      "control experiment: training labels permuted among the pictures");
    v("limit", c.limit, "use this many pictures of each split, evenly spread; 0: all",
      config::at_least(0));
  }
  static void check(const DataConfig& c, const config::Where& fail);
};

}  // namespace nala::data
