#include "data/datasets/listed_pictures.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "data/datasets/class_list.h"
#include "data/datasets/folder_listing.h"
#include "data/datasets/image_folder.h"
#include "data/image_io.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

// More classes than any set has; a wrong file must not make a billion names.
constexpr int64_t kMaxClasses = 1'000'000;

class ListedPictures : public Dataset {
 public:
  ListedPictures(std::vector<fs::path> files,
                 std::vector<int64_t> labels,
                 std::vector<std::string> classes)
      : files_(std::move(files)), labels_(std::move(labels)), classes_(std::move(classes)) {}

  [[nodiscard]] int64_t size() const override { return std::ssize(files_); }
  [[nodiscard]] Sample load(int64_t index) const override {
    return {read_image(path(index)), label(index)};
  }
  [[nodiscard]] DecodedPart load_part(int64_t index, const ChoosePart& choose) const override {
    return read_part(path(index), choose);
  }
  [[nodiscard]] std::string path(int64_t index) const override {
    return files_.at(static_cast<size_t>(index)).string();
  }
  [[nodiscard]] int64_t label(int64_t index) const override {
    return labels_.at(static_cast<size_t>(index));
  }
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::vector<fs::path> files_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
};

// The number a text states, or -1.
int64_t number_of(const std::string& text) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value < kMaxClasses ? value
                                                                                         : -1;
}

struct ListLine {
  fs::path file;
  std::string label;
};

std::vector<ListLine> read_list(const fs::path& list, const fs::path& root) {
  std::vector<ListLine> lines;
  for (const std::string& line : read_lines(list)) {
    const size_t tab = line.rfind('\t');
    const size_t split = tab != std::string::npos ? tab : line.rfind(' ');
    if (split == std::string::npos || split == 0 || split + 1 == line.size()) {
      throw Error(ErrorKind::data, list.string() + ": picture " + std::to_string(lines.size() + 1) +
                                       ": expected a path and a class, found '" + line + "'");
    }
    lines.push_back({root / line.substr(0, split), line.substr(split + 1)});
  }
  return lines;
}

bool all_numbers(const std::vector<ListLine>& lines) {
  return std::all_of(lines.begin(), lines.end(),
                     [](const ListLine& line) { return number_of(line.label) >= 0; });
}

ClassList classes_of(const std::vector<ListLine>& lines) {
  if (!all_numbers(lines)) {
    std::set<std::string> names;
    for (const ListLine& line : lines) {
      names.insert(line.label);
    }
    return ClassList({names.begin(), names.end()});
  }
  int64_t largest = 0;
  for (const ListLine& line : lines) {
    largest = std::max(largest, number_of(line.label));
  }
  std::vector<std::string> names;
  for (int64_t i = 0; i <= largest; ++i) {
    names.push_back(std::to_string(i));
  }
  return ClassList(std::move(names));
}

int64_t label_in(const ClassList& classes, const std::string& label, const fs::path& source) {
  const int64_t named = classes.label(label);
  const int64_t number = named >= 0 ? named : number_of(label);
  if (number < 0 || number >= classes.size()) {
    throw Error(ErrorKind::data, source.string() + ": class '" + label + "' is none of the " +
                                     std::to_string(classes.size()) + " classes");
  }
  return number;
}

// The devkit's numbers (from 1) with their synsets: a line of `synset number ...`.
std::map<int64_t, std::string> read_synset_map(const fs::path& path) {
  std::map<int64_t, std::string> synsets;
  for (const std::string& line : read_lines(path)) {
    const size_t space = line.find_first_of(" \t");
    const size_t end = line.find_first_of(" \t", space == std::string::npos ? space : space + 1);
    const int64_t number =
        space == std::string::npos ? -1 : number_of(line.substr(space + 1, end - space - 1));
    if (number < 0) {
      throw Error(ErrorKind::data,
                  path.string() + ": expected a synset and its number, found '" + line + "'");
    }
    synsets[number] = line.substr(0, space);
  }
  return synsets;
}

// The synset of every validation picture.
std::vector<std::string> read_val_labels(const DataConfig& config) {
  const fs::path path = config.val_labels.value;
  std::vector<std::string> labels = read_lines(path);
  if (labels.empty() || number_of(labels.front()) < 0) {
    return labels;
  }
  if (config.synset_map.value.empty()) {
    throw Error(ErrorKind::config, "data.synset_map: not given, but " + path.string() +
                                       " holds the devkit's numbers; name a file with a synset "
                                       "and its number on each line");
  }
  const auto synsets = read_synset_map(config.synset_map.value);
  for (std::string& label : labels) {
    const auto found = synsets.find(number_of(label));
    if (found == synsets.end()) {
      throw Error(ErrorKind::data,
                  path.string() + ": number '" + label + "' is not in data.synset_map");
    }
    label = found->second;
  }
  return labels;
}

std::shared_ptr<const Dataset> open_flat_validation(const DataConfig& config) {
  const fs::path root = config.root.value;
  const fs::path folder = root / config.val;
  const std::vector<std::string> names = list_pictures(folder);
  const std::vector<std::string> labels = read_val_labels(config);
  if (names.size() != labels.size()) {
    throw Error(ErrorKind::data, config.val_labels.value + ": " + std::to_string(labels.size()) +
                                     " labels, but " + folder.string() + " holds " +
                                     std::to_string(names.size()) + " pictures");
  }
  std::error_code unreadable;
  ClassList classes;
  if (!config.class_list.value.empty()) {
    classes = ClassList::read(config.class_list.value);
  } else if (fs::is_directory(root / config.train, unreadable)) {
    classes = ClassList(list_folders(root / config.train));
  } else {
    const std::set<std::string> distinct(labels.begin(), labels.end());
    classes = ClassList({distinct.begin(), distinct.end()});
  }
  std::vector<fs::path> files;
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < names.size(); ++i) {
    files.push_back(folder / names[i]);
    numbers.push_back(label_in(classes, labels[i], config.val_labels.value));
  }
  return std::make_shared<ListedPictures>(std::move(files), std::move(numbers), classes.shown());
}

}  // namespace

std::shared_ptr<const Dataset> open_file_list(const DataConfig& config, Split split) {
  const fs::path root = config.root.value;
  const fs::path list = root / (split == Split::train ? config.train : config.val);
  const fs::path other = root / (split == Split::train ? config.val : config.train);
  const std::vector<ListLine> lines = read_list(list, root);
  if (lines.empty()) {
    throw Error(ErrorKind::data, list.string() + ": lists no picture");
  }
  ClassList classes;
  if (!config.class_list.value.empty()) {
    classes = ClassList::read(config.class_list.value);
  } else {
    std::vector<ListLine> both = lines;
    std::error_code unreadable;
    if (fs::is_regular_file(other, unreadable)) {
      const std::vector<ListLine> others = read_list(other, root);
      both.insert(both.end(), others.begin(), others.end());
    }
    classes = classes_of(both);
  }
  std::vector<fs::path> files;
  std::vector<int64_t> labels;
  for (const ListLine& line : lines) {
    files.push_back(line.file);
    labels.push_back(label_in(classes, line.label, list));
  }
  return std::make_shared<ListedPictures>(std::move(files), std::move(labels), classes.shown());
}

std::shared_ptr<const Dataset> open_imagenet(const DataConfig& config, Split split) {
  const bool flat = split == Split::val && !config.val_labels.value.empty();
  return flat ? open_flat_validation(config) : open_image_folder(config, split);
}

}  // namespace nala::data
