#include "data/datasets/shards.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/datasets/class_list.h"
#include "data/datasets/folder_listing.h"
#include "data/datasets/tar.h"
#include "data/image_io.h"

namespace nala::data {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxLabelBytes = 16;
constexpr int64_t kMaxClasses = 1'000'000;

struct Entry {
  size_t shard = 0;
  TarMember member;
  int64_t label = -1;
};

// `folder/0001.left.jpg` -> `folder/0001`, as WebDataset splits names.
std::string key_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  return name.substr(0, name.find('.', slash == std::string::npos ? 0 : slash));
}

int64_t label_of(const fs::path& shard, const TarMember& member) {
  int64_t label = -1;
  if (member.size <= kMaxLabelBytes) {
    std::string text = read_range(shard, member.offset, member.size);
    text.erase(text.find_last_not_of(" \r\n") + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
    label = error == std::errc() && end == text.data() + text.size() ? label : -1;
  }
  if (label < 0 || label >= kMaxClasses) {
    throw Error(ErrorKind::data,
                shard.string() + ": " + member.name + ": expected a class number from 0");
  }
  return label;
}

// Members of one key stand together; appends their picture.
class ShardReader {
 public:
  ShardReader(fs::path shard, size_t number, std::vector<Entry>& entries)
      : shard_(std::move(shard)), number_(number), entries_(entries) {}

  void read() {
    for (const TarMember& member : list_tar(shard_)) {
      if (key_of(member.name) != key_) {
        finish();
        key_ = key_of(member.name);
      }
      if (member.name.ends_with(".cls")) {
        label_ = label_of(shard_, member);
      } else if (has_picture_extension(member.name)) {
        pictures_.push_back(member);
      }
    }
    finish();
  }

 private:
  void finish() {
    if (pictures_.size() > 1 || (!pictures_.empty() && label_ < 0)) {
      throw Error(ErrorKind::data,
                  shard_.string() + ": " + key_ + ": " +
                      (label_ < 0 ? "a picture without its .cls" : "several pictures of one name"));
    }
    if (!pictures_.empty()) {
      entries_.push_back({number_, std::move(pictures_.front()), label_});
    }
    pictures_.clear();
    label_ = -1;
  }

  fs::path shard_;
  size_t number_;
  std::vector<Entry>& entries_;
  std::string key_;
  std::vector<TarMember> pictures_;
  int64_t label_ = -1;
};

class Shards : public Dataset {
 public:
  Shards(const std::vector<fs::path>& shards, const std::optional<ClassList>& given)
      : shards_(shards) {
    int64_t largest = -1;
    for (size_t shard = 0; shard < shards_.size(); ++shard) {
      const auto before = std::ssize(entries_);
      ShardReader(shards_[shard], shard, entries_).read();
      runs_.push_back(std::ssize(entries_) - before);
    }
    for (const Entry& entry : entries_) {
      largest = std::max(largest, entry.label);
    }
    if (given) {
      classes_ = given->shown();
    }
    for (int64_t i = 0; i <= largest && !given; ++i) {
      classes_.push_back(std::to_string(i));
    }
    if (largest >= std::ssize(classes_)) {
      throw Error(ErrorKind::data, shards_.front().parent_path().string() + ": label " +
                                       std::to_string(largest) + ", but there are " +
                                       std::to_string(classes_.size()) + " classes");
    }
  }

  [[nodiscard]] int64_t size() const override { return std::ssize(entries_); }
  [[nodiscard]] Sample load(int64_t index) const override {
    return {decode(bytes(index), path(index)), label(index)};
  }
  [[nodiscard]] DecodedPart load_part(int64_t index, const ChoosePart& choose) const override {
    return decode_part(bytes(index), path(index), choose);
  }
  [[nodiscard]] std::string path(int64_t index) const override {
    return shards_[entry(index).shard].string() + ":" + entry(index).member.name;
  }
  [[nodiscard]] int64_t label(int64_t index) const override { return entry(index).label; }
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_; }
  [[nodiscard]] std::vector<int64_t> runs() const override { return runs_; }

 private:
  [[nodiscard]] const Entry& entry(int64_t index) const {
    return entries_.at(static_cast<size_t>(index));
  }

  [[nodiscard]] std::string bytes(int64_t index) const {
    const TarMember& member = entry(index).member;
    if (member.size > kMaxFileBytes) {
      throw ImageError(Fault::unreadable, path(index) + ": " + std::to_string(member.size) +
                                              " bytes are more than a picture may have");
    }
    try {
      return read_range(shards_[entry(index).shard], member.offset, member.size);
    } catch (const Error& error) {
      throw ImageError(Fault::unreadable, path(index) + ": " + error.what());
    }
  }

  std::vector<fs::path> shards_;
  std::vector<Entry> entries_;
  std::vector<int64_t> runs_;
  std::vector<std::string> classes_;
};

std::vector<fs::path> list_shards(const fs::path& folder) {
  std::vector<fs::path> shards;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (entry->path().extension() == ".tar") {
      shards.push_back(entry->path());
    }
  }
  if (error || shards.empty()) {
    throw Error(ErrorKind::data, folder.string() + ": no shards (*.tar) in it" +
                                     (error ? ": " + error.message() : std::string()));
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

}  // namespace

std::shared_ptr<const Dataset> open_shards(const DataConfig& config, Split split) {
  const fs::path root = config.root.value;
  std::optional<ClassList> classes;
  std::error_code unreadable;
  if (!config.class_list.value.empty()) {
    classes = ClassList::read(config.class_list.value);
  } else if (fs::is_regular_file(root / "classes.tsv", unreadable)) {
    classes = ClassList::read(root / "classes.tsv");
  }
  return std::make_shared<Shards>(
      list_shards(root / (split == Split::train ? config.train : config.val)), classes);
}

int64_t write_shards(const Dataset& dataset,
                     const fs::path& folder,
                     const ShardOptions& options,
                     const std::function<void(int64_t done)>& progress) {
  Rng rng(Stream::order, {options.seed, 0x736861726473});  // a key of its own: "shards"
  const std::vector<int64_t> order = permutation(dataset.size(), rng);
  int64_t shards = 0;
  for (int64_t first = 0; first < dataset.size(); first += options.pictures_per_shard, ++shards) {
    std::array<char, 32> name{};
    std::snprintf(name.data(), name.size(), "%06jd.tar", static_cast<intmax_t>(shards));
    TarWriter shard(folder / name.data());
    const int64_t end = std::min(first + options.pictures_per_shard, dataset.size());
    for (int64_t i = first; i < end; ++i) {
      const int64_t index = order[static_cast<size_t>(i)];
      const fs::path file = dataset.path(index);
      std::array<char, 32> key{};
      std::snprintf(key.data(), key.size(), "%09jd", static_cast<intmax_t>(index));
      shard.add(std::string(key.data()) + file.extension().string(),
                read_file(file, kMaxFileBytes));
      shard.add(std::string(key.data()) + ".cls", std::to_string(dataset.label(index)));
      if (progress) {
        progress(i + 1);
      }
    }
    shard.commit();
  }
  std::string classes;
  for (const std::string& shown : dataset.classes()) {
    classes += shown + "\n";
  }
  write_file(folder.parent_path() / "classes.tsv", classes);
  return shards;
}

}  // namespace nala::data
