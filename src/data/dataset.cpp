#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/rng.h"
#include "data/datasets/image_folder.h"
#include "data/datasets/synthetic.h"

namespace nala::data {
namespace {

struct Kind {
  DatasetName name;
  std::shared_ptr<const Dataset> (*open)(const DataConfig&, Split);
};

// THE table: a new kind of data set is a new row.
constexpr std::array<Kind, 3> kKinds{{
    {DatasetName::image_folder, &open_image_folder},
    {DatasetName::digits, &open_digits},
    {DatasetName::synthetic, &open_synthetic},
}};

// Another data set with some of its samples, and labels of its own.
class Selection : public Dataset {
 public:
  Selection(std::shared_ptr<const Dataset> all, std::vector<int64_t> chosen)
      : all_(std::move(all)), chosen_(std::move(chosen)) {
    labels_.reserve(chosen_.size());
    for (const int64_t index : chosen_) {
      labels_.push_back(all_->label(index));
    }
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

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(chosen_.size()); }
  [[nodiscard]] Sample load(int64_t index) const override {
    Sample sample = all_->load(original(index));
    sample.label = label(index);
    return sample;
  }
  [[nodiscard]] std::string path(int64_t index) const override {
    return all_->path(original(index));
  }
  [[nodiscard]] int64_t label(int64_t index) const override {
    return labels_.at(static_cast<size_t>(index));
  }
  [[nodiscard]] const std::vector<std::string>& classes() const override { return all_->classes(); }

 private:
  [[nodiscard]] int64_t original(int64_t index) const {
    return chosen_.at(static_cast<size_t>(index));
  }

  std::shared_ptr<const Dataset> all_;
  std::vector<int64_t> chosen_;
  std::vector<int64_t> labels_;
};

// `limit` indices, evenly spread, so that a set sorted by class keeps its classes.
std::vector<int64_t> spread(int64_t size, int64_t limit) {
  std::vector<int64_t> chosen(static_cast<size_t>(limit == 0 ? size : std::min(size, limit)));
  std::iota(chosen.begin(), chosen.end(), int64_t{0});
  const auto count = static_cast<int64_t>(chosen.size());
  for (int64_t& index : chosen) {
    index = index * size / count;
  }
  return chosen;
}

}  // namespace

std::shared_ptr<const Dataset> build_dataset(const DataConfig& config, Split split) {
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                 [&](const Kind& row) { return row.name == config.name; });
  std::shared_ptr<const Dataset> dataset = kind->open(config, split);
  const bool shuffle = config.shuffle_labels && split == Split::train;
  if (!shuffle && config.limit == 0) {
    return dataset;
  }
  const int64_t size = dataset->size();
  auto selection = std::make_shared<Selection>(std::move(dataset), spread(size, config.limit));
  if (shuffle) {
    selection->shuffle_labels();
  }
  return selection;
}

}  // namespace nala::data
