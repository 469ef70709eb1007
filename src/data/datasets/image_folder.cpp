#include "data/datasets/image_folder.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/datasets/class_list.h"
#include "data/datasets/folder_hints.h"
#include "data/datasets/folder_listing.h"
#include "data/image_io.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

class ImageFolder : public Dataset {
 public:
  // `present`: the class folders to take, all of them in the list.
  ImageFolder(const fs::path& folder,
              const std::vector<std::string>& present,
              ClassList classes,
              ListingCache& cache)
      : folder_(folder), classes_(std::move(classes)) {
    for (const std::string& name : present) {
      std::vector<std::string> pictures = list_pictures(folder / name, cache);
      if (pictures.empty()) {
        throw Error(ErrorKind::data, (folder / name).string() +
                                         ": class without a picture; add pictures (" +
                                         picture_extensions() + ") or remove the folder");
      }
      files_.insert(files_.end(), std::make_move_iterator(pictures.begin()),
                    std::make_move_iterator(pictures.end()));
      labels_.resize(files_.size(), classes_.label(name));
    }
  }

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  [[nodiscard]] Sample load(int64_t index) const override {
    return {read_image(path(index)), label(index)};
  }
  [[nodiscard]] DecodedPart load_part(int64_t index, const ChoosePart& choose) const override {
    return read_part(path(index), choose);
  }
  [[nodiscard]] std::string path(int64_t index) const override {
    const auto at = static_cast<size_t>(index);
    return (folder_ / classes_.names()[static_cast<size_t>(labels_.at(at))] / files_[at]).string();
  }
  [[nodiscard]] int64_t label(int64_t index) const override {
    return labels_.at(static_cast<size_t>(index));
  }
  [[nodiscard]] const std::vector<std::string>& classes() const override {
    return classes_.shown();
  }

 private:
  fs::path folder_;
  ClassList classes_;
  std::vector<std::string> files_;  // below the class folder
  std::vector<int64_t> labels_;
};

std::string names_in_words(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more"
                               : text;
}

void require_same_classes(const fs::path& folder,
                          const std::vector<std::string>& classes,
                          const fs::path& other) {
  const std::vector<std::string> others = list_folders(other);
  std::vector<std::string> only_here;
  std::vector<std::string> only_there;
  std::set_difference(classes.begin(), classes.end(), others.begin(), others.end(),
                      std::back_inserter(only_here));
  std::set_difference(others.begin(), others.end(), classes.begin(), classes.end(),
                      std::back_inserter(only_there));
  if (only_here.empty() && only_there.empty()) {
    return;
  }
  std::string message = "the classes differ:";
  if (!only_here.empty()) {
    message += " only in " + folder.string() + ": " + names_in_words(only_here) + ";";
  }
  if (!only_there.empty()) {
    message += " only in " + other.string() + ": " + names_in_words(only_there) + ";";
  }
  throw Error(ErrorKind::data, message + " both need the same class folders");
}

void require_listed(const fs::path& folder,
                    const std::vector<std::string>& present,
                    const ClassList& list,
                    const std::string& source) {
  for (const std::string& name : present) {
    if (list.label(name) < 0) {
      throw Error(ErrorKind::data, (folder / name).string() + ": class '" + name +
                                       "' is not in data.class_list " + source);
    }
  }
}

std::shared_ptr<const Dataset> open(const fs::path& root, const DataConfig& config, Split split) {
  const bool train = split == Split::train;
  const fs::path folder = root / (train ? config.train : config.val);
  const fs::path other = root / (train ? config.val : config.train);
  std::error_code unreadable;  // counts as missing
  if (!fs::is_directory(folder, unreadable)) {
    throw Error(ErrorKind::data, folder.string() + ": no such folder (data.root with data." +
                                     (train ? "train" : "val") + ")" + hint_for_missing(root));
  }
  ListingCache cache(config.listing_cache ? listing_cache_file(folder) : fs::path());
  const std::vector<std::string> classes = list_folders(folder, cache);
  if (classes.empty()) {
    throw Error(ErrorKind::data,
                folder.string() + ": no class folders in it" + hint_for_no_classes(folder));
  }
  ClassList list(classes);
  if (!config.class_list.value.empty()) {
    list = ClassList::read(config.class_list.value);
    require_listed(folder, classes, list, config.class_list.value);
  } else if (config.val_labels.value.empty() && fs::is_directory(other, unreadable)) {
    // A flat validation folder has no class folders to compare.
    require_same_classes(folder, classes, other);
  }
  auto dataset = std::make_shared<ImageFolder>(folder, classes, std::move(list), cache);
  cache.save();
  return dataset;
}

}  // namespace

std::shared_ptr<const Dataset> open_image_folder(const DataConfig& config, Split split) {
  if (config.root.value.empty()) {
    throw Error(ErrorKind::config, "data.root: not given; name the folder that holds " +
                                       config.train + "/ and " + config.val + "/");
  }
  return open(config.root.value, config, split);
}

std::shared_ptr<const Dataset> open_digits(const DataConfig& config, Split split) {
  const fs::path root = config.root.value.empty() ? "datasets/digits" : config.root.value;
  std::error_code unreadable;
  if (!fs::exists(root, unreadable)) {
    throw Error(ErrorKind::data, root.string() +
                                     ": the demo digits are not there; make them with: nalaformer "
                                     "data demo");
  }
  return open(root, config, split);
}

}  // namespace nala::data
