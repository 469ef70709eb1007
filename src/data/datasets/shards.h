// Pictures in tar files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// The shards root/<split>/*.tar in byte order of their names, in WebDataset layout: a picture
/// KEY.jpg (or another extension of a picture) and, before or after it, KEY.cls with its label as a
/// number. Classes: data.class_list, else root/classes.tsv, else numbers up to the largest label.
///
/// Its runs() are the shards, so that training reads nearly in the order of the files. Opening
/// reads the headers of all members. Throws Error(data | file) naming the shard for what is not of
/// that form.
std::shared_ptr<const Dataset> open_shards(const DataConfig& config, Split split);

struct ShardOptions {
  int64_t pictures_per_shard = 10000;
  uint64_t seed = 0;  ///< of the order in which the pictures go into the shards
};

/// Writes a data set as shards 000000.tar, 000001.tar, ... into `folder`, its files as they are, in
/// a random order (so that one shard holds many classes), and beside the folder classes.tsv.
/// Returns the number of shards. Throws
/// Error(file | data).
int64_t write_shards(const Dataset& dataset,
                     const std::filesystem::path& folder,
                     const ShardOptions& options,
                     const std::function<void(int64_t done)>& progress = {});

}  // namespace nala::data
