// Part of a data set.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// The samples that a configuration leaves: those of data.only_classes, renumbered in the order of
/// the data set's classes (a class is named as it is shown, or by its first word); of these in
/// training the first data.per_class of each class; of these data.limit, evenly spread; with
/// data.shuffle_labels, in training, their labels permuted. The data set itself where nothing of
/// this is asked for. Throws Error(config) for a class that is not there.
std::shared_ptr<const Dataset> select(std::shared_ptr<const Dataset> all,
                                      const DataConfig& config,
                                      Split split);

/// `all` itself, or its entries evenly spread over the set, at most `limit`; 0: all.
template <class T>
std::vector<T> evenly_spread(const std::vector<T>& all, int64_t limit) {
  const int64_t size = std::ssize(all);
  if (limit == 0 || limit >= size) {
    return all;
  }
  std::vector<T> kept;
  for (int64_t i = 0; i < limit; ++i) {
    kept.push_back(all[static_cast<size_t>(i * size / limit)]);
  }
  return kept;
}

}  // namespace nala::data
