#include "data/datasets/ade20k.h"

#include <array>
#include <filesystem>
#include <map>
#include <utility>

#include "core/error.h"
#include "data/datasets/folder_listing.h"
#include "data/datasets/selection.h"
#include "data/label_map.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

fs::path split_folder(const fs::path& parent, const DataConfig& config, Split split) {
  const bool train = split == Split::train;
  const std::string& stated = train ? config.train : config.val;
  const std::string otherwise = train ? "training" : "validation";
  std::error_code unreadable;  // counts as missing
  if (fs::is_directory(parent / stated, unreadable)) {
    return parent / stated;
  }
  const bool is_default = stated == (train ? DataConfig().train : DataConfig().val);
  if (is_default && fs::is_directory(parent / otherwise, unreadable)) {
    return parent / otherwise;
  }
  throw Error(ErrorKind::data,
              (parent / (is_default ? otherwise : stated)).string() +
                  ": no such folder; expected images/ and annotations/ below data.root, each with "
                  "the folders data.train and data.val name");
}

std::string without_extension(const std::string& name) {
  return name.substr(0, name.size() - fs::path(name).extension().string().size());
}

std::vector<LabelledPictures::Entry> paired(const fs::path& images, const fs::path& labels) {
  std::map<std::string, std::string> label_of;  // file by stem
  for (const std::string& name : list_pictures(labels)) {
    label_of.emplace(without_extension(name), name);
  }
  std::vector<LabelledPictures::Entry> entries;
  for (const std::string& name : list_pictures(images)) {
    const auto found = label_of.find(without_extension(name));
    if (found == label_of.end()) {
      throw Error(ErrorKind::data,
                  (images / name).string() + ": no labels of that name in " + labels.string());
    }
    entries.push_back({(images / name).string(), (labels / found->second).string()});
  }
  if (entries.empty()) {
    throw Error(ErrorKind::data, images.string() + ": no picture in it (" + picture_extensions() +
                                     "), at any depth");
  }
  return entries;
}

fs::path class_file(const DataConfig& config) {
  if (!config.class_list.value.empty()) {
    return config.class_list.value;
  }
  const fs::path own = fs::path(config.root.value) / "classes.tsv";
  std::error_code unreadable;
  if (!fs::is_regular_file(own, unreadable)) {
    throw Error(ErrorKind::data,
                own.string() +
                    ": not there; write one (columns label, name, r, g, b) or name one with "
                    "data.class_list (ADE20K: configs/classes/ade20k.tsv)");
  }
  return own;
}

}  // namespace

LabelledPictures::LabelledPictures(std::vector<Entry> entries,
                                   SegmentationClasses classes,
                                   bool reduce_zero_label,
                                   std::string class_source)
    : entries_(std::move(entries)),
      classes_(std::move(classes)),
      reduce_zero_label_(reduce_zero_label),
      class_source_(std::move(class_source)) {}

Sample LabelledPictures::load(int64_t index) const {
  return {read_image(entries_.at(static_cast<size_t>(index)).image), 0};
}

std::string LabelledPictures::path(int64_t index) const {
  return entries_.at(static_cast<size_t>(index)).image;
}

PicturePair LabelledPictures::load_pair(int64_t index) const {
  const Entry& entry = entries_.at(static_cast<size_t>(index));
  PicturePair pair{read_image(entry.image), read_label_map(entry.labels)};
  if (pair.image.width != pair.target.width || pair.image.height != pair.target.height) {
    throw ImageError(Fault::corrupt, entry.image + ": " + std::to_string(pair.image.width) + " x " +
                                         std::to_string(pair.image.height) +
                                         " pixels, its labels " + entry.labels + " have " +
                                         std::to_string(pair.target.width) + " x " +
                                         std::to_string(pair.target.height));
  }
  number_classes(pair.target, entry.labels);
  return pair;
}

void LabelledPictures::number_classes(Image& labels, const std::string& path) const {
  const int first = reduce_zero_label_ ? 1 : 0;
  const int count = static_cast<int>(classes_.names.size());
  std::array<int, 256> class_of{};  // -1: none
  for (int value = 0; value < 256; ++value) {
    const bool is_class = value >= first && value < first + count;
    const bool ignored = value == kIgnoredLabel || value < first;
    class_of[static_cast<size_t>(value)] = is_class ? value - first : ignored ? kIgnoredLabel : -1;
  }
  for (uint8_t& value : labels.pixels) {
    const int number = class_of[value];
    if (number < 0) {
      throw Error(ErrorKind::data,
                  path + ": label " + std::to_string(value) + ", but " + class_source_ + " has " +
                      std::to_string(count) + " classes, labels " + std::to_string(first) + " to " +
                      std::to_string(first + count - 1) +
                      ": add the class there, store 255 where there is none, or set "
                      "data.segmentation.reduce_zero_label=" +
                      (reduce_zero_label_ ? "false if label 0 is a class"
                                          : "true if label 0 means no class"));
    }
    value = static_cast<uint8_t>(number);
  }
}

std::shared_ptr<const Dataset> open_ade20k(const DataConfig& config, Split split) {
  if (config.root.value.empty()) {
    throw Error(ErrorKind::config,
                "data.root: not given; name the folder that holds images/ and annotations/");
  }
  const fs::path root = config.root.value;
  const fs::path classes = class_file(config);
  const bool reduce = config.segmentation.reduce_zero_label;
  return std::make_shared<LabelledPictures>(
      evenly_spread(paired(split_folder(root / "images", config, split),
                           split_folder(root / "annotations", config, split)),
                    config.limit),
      SegmentationClasses::read(classes, reduce), reduce, classes.string());
}

void keep_palette(const Dataset& dataset, DataConfig& config) {
  const auto* pictures = dynamic_cast<const LabelledPictures*>(&dataset);
  std::vector<int64_t>& palette = config.segmentation.palette;
  if (pictures == nullptr || !palette.empty()) {
    return;
  }
  for (const Rgb& colour : pictures->colours()) {
    palette.insert(palette.end(), colour.begin(), colour.end());
  }
}

}  // namespace nala::data
