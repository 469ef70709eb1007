#include "data/config.h"

#include <algorithm>
#include <array>

namespace nala::data {
namespace {

void check_size(const config::Where& fail, std::string_view key, const std::vector<int64_t>& size) {
  if (size.empty() || size.size() > 2) {
    fail(key, "expected one number or [height, width], found " + std::to_string(size.size()) +
                  " numbers");
  }
}

}  // namespace

std::span<const std::string_view> names_of(Split) {
  static constexpr std::array<std::string_view, 2> kNames{"train", "val"};
  return kNames;
}

std::span<const std::string_view> names_of(DatasetName) {
  static constexpr std::array<std::string_view, 8> kNames{
      "image_folder", "digits", "synthetic",        "imagenet",
      "file_list",    "shards", "super_resolution", "ade20k"};
  return kNames;
}

std::span<const std::string_view> names_of(LowResolution) {
  static constexpr std::array<std::string_view, 3> kNames{"automatic", "given", "made"};
  return kNames;
}

std::span<const std::string_view> names_of(SuperResolutionProtocol) {
  static constexpr std::array<std::string_view, 2> kNames{"A", "C"};
  return kNames;
}

std::span<const std::string_view> names_of(OnBadFile) {
  static constexpr std::array<std::string_view, 2> kNames{"error", "skip"};
  return kNames;
}

std::span<const std::string_view> names_of(EvalCrop) {
  static constexpr std::array<std::string_view, 2> kNames{"center", "none"};
  return kNames;
}

void SyntheticConfig::check(const SyntheticConfig& c, const config::Where& fail) {
  check_size(fail, "size", c.size);
}

void DataConfig::check(const DataConfig& c, const config::Where& fail) {
  check_size(fail, "image_size", c.image_size);
  if (c.batch_size % c.group_size() != 0) {
    fail("mix_group", std::to_string(c.mix_group) + " does not divide data.batch_size " +
                          std::to_string(c.batch_size) +
                          ": give both, such as data.batch_size=" + std::to_string(c.batch_size) +
                          " data.mix_group=" + std::to_string(c.batch_size));
  }
  if (c.augment.mixes() && c.group_size() % 2 != 0) {
    fail(c.mix_group == 0 ? "batch_size" : "mix_group",
         std::to_string(c.group_size()) +
             " is odd, but Mixup and CutMix pair the pictures of a "
             "group: give an even number, or augment.mixup=0 and "
             "augment.cutmix=0");
  }
  if (c.repeat > 1 && c.augment.repeats > 1) {
    fail("repeat", "repeated augmentation (augment.repeats) fixes the length of an epoch itself");
  }
  if (!c.real_labels.value.empty() && !c.only_classes.empty()) {
    fail("real_labels", "its numbers count all classes, only_classes renumbers them");
  }
  if (c.mean.size() != 3 || c.std.size() != 3) {
    fail(c.mean.size() != 3 ? "mean" : "std", "expected three numbers, one per colour");
  }
  const int64_t short_side = std::min(c.height(), c.width());
  if (c.eval.crop == EvalCrop::center && c.eval.resize != 0 && c.eval.resize < short_side) {
    fail("eval", "resize " + std::to_string(c.eval.resize) + " is smaller than data.image_size " +
                     std::to_string(short_side) + ", so the crop would not fit");
  }
}

}  // namespace nala::data
