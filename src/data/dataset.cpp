#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <utility>

#include "data/datasets/ade20k.h"
#include "data/datasets/image_folder.h"
#include "data/datasets/listed_pictures.h"
#include "data/datasets/selection.h"
#include "data/datasets/shards.h"
#include "data/datasets/super_resolution.h"
#include "data/datasets/synthetic.h"

namespace nala::data {
namespace {

struct Kind {
  DatasetName name;
  std::shared_ptr<const Dataset> (*open)(const DataConfig&, Split);
};

// THE table: a new kind of data set is a new row.
constexpr std::array<Kind, 8> kKinds{{
    {DatasetName::image_folder, &open_image_folder},
    {DatasetName::digits, &open_digits},
    {DatasetName::synthetic, &open_synthetic},
    {DatasetName::imagenet, &open_imagenet},
    {DatasetName::file_list, &open_file_list},
    {DatasetName::shards, &open_shards},
    {DatasetName::super_resolution, &open_super_resolution},
    {DatasetName::ade20k, &open_ade20k},
}};

}  // namespace

DecodedPart Dataset::load_part(int64_t index, const ChoosePart& choose) const {
  return part_of(load(index).image, choose);
}

std::shared_ptr<const Dataset> build_dataset(const DataConfig& config, Split split) {
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                 [&](const Kind& row) { return row.name == config.name; });
  std::shared_ptr<const Dataset> dataset = kind->open(config, split);
  if (std::dynamic_pointer_cast<const PairDataset>(dataset)) {
    return dataset;  // has no classes to select, and applies data.limit itself
  }
  return select(std::move(dataset), config, split);
}

}  // namespace nala::data
