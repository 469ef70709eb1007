#include "data/datasets/selection.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/rng.h"

namespace nala::data {
namespace {

class Selection : public Dataset {
 public:
  explicit Selection(std::shared_ptr<const Dataset> all)
      : all_(std::move(all)), classes_(all_->classes()) {
    chosen_.resize(static_cast<size_t>(all_->size()));
    std::iota(chosen_.begin(), chosen_.end(), int64_t{0});
    for (const int64_t index : chosen_) {
      labels_.push_back(all_->label(index));
    }
  }

  void keep_classes(const std::vector<std::string>& names) {
    std::vector<int64_t> renumbered(classes_.size(), -1);
    for (const std::string& name : names) {
      renumbered[class_named(name)] = 0;
    }
    std::vector<std::string> kept;
    for (size_t label = 0; label < classes_.size(); ++label) {
      if (renumbered[label] == 0) {
        renumbered[label] = std::ssize(kept);
        kept.push_back(classes_[label]);
      }
    }
    keep_if([&](size_t i) { return renumbered[static_cast<size_t>(labels_[i])] >= 0; });
    for (int64_t& label : labels_) {
      label = renumbered[static_cast<size_t>(label)];
    }
    classes_ = std::move(kept);
  }

  void keep_first_of_each(int64_t count) {
    std::vector<int64_t> seen(classes_.size());
    keep_if([&](size_t i) { return seen[static_cast<size_t>(labels_[i])]++ < count; });
  }

  // Evenly spread, so that a set sorted by class keeps its classes.
  void keep_spread(int64_t count) {
    std::vector<bool> kept(chosen_.size());
    count = std::min(count, size());
    for (int64_t i = 0; i < count; ++i) {
      kept[static_cast<size_t>(i * size() / count)] = true;
    }
    keep_if([&](size_t i) { return kept[i]; });
  }

  void shuffle_labels() {
    // A key of its own: the word "labels" in ASCII. The seed of the run has no part in it, so that
    // runs with different seeds share the same wrong labels.
    Rng rng(Stream::order, {0x6C6162656C73});
    const std::vector<int64_t> before = labels_;
    const std::vector<int64_t> from = permutation(size(), rng);
    std::transform(from.begin(), from.end(), labels_.begin(),
                   [&](int64_t index) { return before[static_cast<size_t>(index)]; });
  }

  [[nodiscard]] int64_t size() const override { return std::ssize(chosen_); }
  [[nodiscard]] Sample load(int64_t index) const override {
    Sample sample = all_->load(original(index));
    sample.label = label(index);
    return sample;
  }
  [[nodiscard]] DecodedPart load_part(int64_t index, const ChoosePart& choose) const override {
    return all_->load_part(original(index), choose);
  }
  [[nodiscard]] std::string path(int64_t index) const override {
    return all_->path(original(index));
  }
  [[nodiscard]] int64_t label(int64_t index) const override {
    return labels_.at(static_cast<size_t>(index));
  }
  [[nodiscard]] const std::vector<std::string>& classes() const override { return classes_; }

 private:
  [[nodiscard]] int64_t original(int64_t index) const {
    return chosen_.at(static_cast<size_t>(index));
  }

  [[nodiscard]] size_t class_named(const std::string& name) const {
    for (size_t label = 0; label < classes_.size(); ++label) {
      const std::string& shown = classes_[label];
      if (shown == name || shown.substr(0, shown.find(' ')) == name) {
        return label;
      }
    }
    throw Error(ErrorKind::config, "data.only_classes: '" + name + "' is none of the " +
                                       std::to_string(classes_.size()) + " classes");
  }

  template <class Keep>
  void keep_if(Keep&& keep) {
    size_t kept = 0;
    for (size_t i = 0; i < chosen_.size(); ++i) {
      if (keep(i)) {
        chosen_[kept] = chosen_[i];
        labels_[kept++] = labels_[i];
      }
    }
    chosen_.resize(kept);
    labels_.resize(kept);
  }

  std::shared_ptr<const Dataset> all_;
  std::vector<std::string> classes_;
  std::vector<int64_t> chosen_;
  std::vector<int64_t> labels_;
};

}  // namespace

std::shared_ptr<const Dataset> select(std::shared_ptr<const Dataset> all,
                                      const DataConfig& config,
                                      Split split) {
  const bool train = split == Split::train;
  const bool shuffle = train && config.shuffle_labels;
  const int64_t per_class = train ? config.per_class : 0;
  if (config.only_classes.empty() && per_class == 0 && config.limit == 0 && !shuffle) {
    return all;
  }
  auto selection = std::make_shared<Selection>(std::move(all));
  if (!config.only_classes.empty()) {
    selection->keep_classes(config.only_classes);
  }
  if (per_class > 0) {
    selection->keep_first_of_each(per_class);
  }
  if (config.limit > 0) {
    selection->keep_spread(config.limit);
  }
  if (shuffle) {
    selection->shuffle_labels();
  }
  return selection;
}

}  // namespace nala::data
