#include "data/datasets/folder_hints.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"
#include "data/datasets/folder_listing.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kSplitNames{"train", "training",   "val",
                                                      "valid", "validation", "test"};

bool is_split_name(const std::string& name) {
  return std::find(kSplitNames.begin(), kSplitNames.end(), name) != kSplitNames.end();
}

bool holds_pictures(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (has_picture_extension(entry->path())) {
      return true;
    }
  }
  return false;
}

std::string present(const std::vector<std::string>& names) {
  constexpr size_t kShown = 6;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return text + (names.size() > kShown ? ", ..." : "");
}

std::string hint_from(const fs::path& root, const std::vector<std::string>& folders) {
  if (is_split_name(root.filename().string())) {
    return "; data.root is the folder above the splits: try data.root=" +
           root.parent_path().string();
  }
  for (const std::string& name : folders) {
    if (is_split_name(name)) {
      return "; " + root.string() + " holds: " + present(folders) +
             ": name its parts with data.train=... and data.val=...";
    }
  }
  for (const std::string& name : folders) {
    if (holds_pictures(root / name)) {
      return "; " + root.string() + " holds class folders itself (" + present(folders) +
             "): put them into train/ and val/ below it";
    }
    for (const std::string& inner : list_folders(root / name)) {
      if (is_split_name(inner)) {
        return "; it lies one level deeper: try data.root=" + (root / name).string();
      }
    }
  }
  return folders.empty() ? "; " + root.string() + " holds no folders at all"
                         : "; " + root.string() + " holds: " + present(folders);
}

}  // namespace

std::string hint_for_missing(const fs::path& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    return "; data.root " + root.string() +
           (fs::exists(root, error) ? " is a file" : " is not there either");
  }
  try {
    // "x/train/" has an empty last component.
    return hint_from(root.has_filename() ? root : root.parent_path(), list_folders(root));
  } catch (const Error&) {
    return "";
  }
}

std::string hint_for_no_classes(const fs::path& folder) {
  if (holds_pictures(folder)) {
    return "; it holds pictures: put those of each class into a folder of its own, or give the "
           "folder above the class folders";
  }
  return "; it needs one folder of pictures per class";
}

}  // namespace nala::data
