#include "data/datasets/super_resolution.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "data/datasets/folder_listing.h"
#include "data/datasets/selection.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

using Entry = SuperResolutionSets::Entry;

constexpr int64_t kMegabyte = 1'000'000;

// Where the pictures of one set lie.
struct Layout {
  fs::path high;
  fs::path low;  // may be missing
};

// THE table of layouts: the first whose folder exists holds.
Layout find_layout(const fs::path& root, const std::string& name, int64_t scale) {
  const std::string factor = "X" + std::to_string(scale);
  const std::array<Layout, 3> layouts{{
      {root / name / "HR", root / name / "LR_bicubic" / factor},
      {root / (name + "_HR"), root / (name + "_LR_bicubic") / factor},
      {root / name, {}},
  }};
  for (const Layout& layout : layouts) {
    if (fs::is_directory(layout.high)) {
      return layout;
    }
  }
  throw Error(ErrorKind::data, (root / name).string() + ": no set of pictures: neither " + name +
                                   "/HR nor " + name + "_HR nor " + name +
                                   " is a folder of data.root");
}

std::vector<Entry> entries_of(const Layout& layout, const DataConfig& config) {
  const SuperResolutionData& options = config.super_resolution;
  const bool has_low = !layout.low.empty() && fs::is_directory(layout.low);
  if (options.low_resolution == LowResolution::given && !has_low) {
    throw Error(ErrorKind::data, layout.high.string() +
                                     ": the set has no low-resolution pictures (" +
                                     layout.low.string() +
                                     "); data.super_resolution.low_resolution=made makes them");
  }
  const bool use_low = has_low && options.low_resolution != LowResolution::made;
  std::vector<Entry> entries;
  for (const std::string& picture : list_pictures(layout.high)) {
    Entry entry{.high = (layout.high / picture).string()};
    if (use_low) {
      const fs::path stem = fs::path(picture).replace_extension();
      entry.low =
          (layout.low / (stem.string() + "x" + std::to_string(options.scale) + ".png")).string();
      if (!fs::exists(entry.low)) {
        throw Error(ErrorKind::data, entry.low + ": missing, the set has low-resolution pictures " +
                                         "but not of " + entry.high);
      }
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) {
    throw Error(ErrorKind::data,
                layout.high.string() + ": holds no pictures (" + picture_extensions() + ")");
  }
  return evenly_spread(entries, config.limit);
}

// Top-left part whose sides are multiples of the scale.
Image cut_to_multiple(Image image, int64_t scale, const std::string& path) {
  const int64_t width = image.width / scale * scale;
  const int64_t height = image.height / scale * scale;
  if (width == 0 || height == 0) {
    throw ImageError(Fault::unsupported, path + ": " + std::to_string(image.width) + " x " +
                                             std::to_string(image.height) +
                                             " pixels, smaller than the scale");
  }
  if (width == image.width && height == image.height) {
    return image;
  }
  return part_of(std::move(image),
                 [&](int64_t, int64_t) {
                   return Part{.window = {0, 0, width, height}};
                 })
      .image;
}

Image first_channel(const Image& image) {
  Image grey(image.width, image.height, 1);
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    grey.pixels[i] = image.pixels[3 * i];
  }
  return grey;
}

int64_t bytes_of(const PicturePair& pair) {
  return std::ssize(pair.image.pixels) + std::ssize(pair.target.pixels);
}

}  // namespace

SuperResolutionSets::SuperResolutionSets(std::vector<std::string> names,
                                         std::vector<Entry> entries,
                                         int64_t scale,
                                         int64_t cache_mb)
    : names_(std::move(names)),
      entries_(std::move(entries)),
      scale_(scale),
      cache_bytes_(cache_mb * kMegabyte),
      cache_(entries_.size()) {}

Sample SuperResolutionSets::load(int64_t index) const {
  return {.image = read_image(path(index)), .label = 0};
}

std::string SuperResolutionSets::path(int64_t index) const {
  return entries_.at(static_cast<size_t>(index)).high;
}

size_t SuperResolutionSets::set_of(int64_t index) const {
  return entries_.at(static_cast<size_t>(index)).set;
}

PicturePair SuperResolutionSets::decode_pair(int64_t index) const {
  const Entry& entry = entries_.at(static_cast<size_t>(index));
  const std::string bytes = read_picture_bytes(entry.high);
  PicturePair pair{.target = cut_to_multiple(decode(bytes, entry.high), scale_, entry.high)};
  if (is_grey_png(bytes)) {
    pair.target = first_channel(pair.target);
  }
  if (!entry.low.empty()) {
    pair.image = read_image(entry.low);
    if (pair.image.width * scale_ != pair.target.width ||
        pair.image.height * scale_ != pair.target.height) {
      throw ImageError(Fault::unsupported,
                       entry.low + ": " + std::to_string(pair.image.width) + " x " +
                           std::to_string(pair.image.height) + " pixels, expected " +
                           std::to_string(pair.target.width / scale_) + " x " +
                           std::to_string(pair.target.height / scale_) + ", 1/" +
                           std::to_string(scale_) + " of " + entry.high);
    }
  }
  return pair;
}

int64_t SuperResolutionSets::decoded_bytes() const {
  constexpr int64_t kLookedAt = 8;
  const int64_t looked_at = std::min(kLookedAt, size());
  int64_t bytes = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < looked_at; ++i) {
    try {
      bytes += bytes_of(*pair(i * size() / looked_at));
      ++count;
    } catch (const ImageError&) {
      continue;  // reported by whoever wants the picture
    }
  }
  return count == 0 ? 0 : bytes * size() / count;
}

std::shared_ptr<const PicturePair> SuperResolutionSets::pair(int64_t index) const {
  const auto slot = static_cast<size_t>(index);
  {
    const std::scoped_lock lock(mutex_);
    if (cache_.at(slot)) {
      return cache_[slot];
    }
  }
  // Decoded outside of the lock; two threads may decode the same picture once.
  auto pair = std::make_shared<const PicturePair>(decode_pair(index));
  const std::scoped_lock lock(mutex_);
  if (!cache_[slot] && cached_bytes_ + bytes_of(*pair) <= cache_bytes_) {
    cache_[slot] = pair;
    cached_bytes_ += bytes_of(*pair);
  }
  return pair;
}

std::shared_ptr<const Dataset> open_super_resolution(const DataConfig& config, Split split) {
  const SuperResolutionData& options = config.super_resolution;
  const bool train = split == Split::train;
  std::vector<std::string> names = train ? options.train_sets : options.val_sets;
  if (names.empty()) {
    names = {train ? config.train : config.val};
  }
  std::vector<Entry> all;
  for (size_t set = 0; set < names.size(); ++set) {
    const Layout layout = find_layout(config.root.value, names[set], options.scale);
    for (Entry& entry : entries_of(layout, config)) {
      entry.set = set;
      all.push_back(std::move(entry));
    }
  }
  return std::make_shared<SuperResolutionSets>(std::move(names), std::move(all), options.scale,
                                               options.cache_mb);
}

}  // namespace nala::data
