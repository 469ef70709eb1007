#include "data/batch_builder.h"

#include <torch/torch.h>

#include <algorithm>

#include "core/error.h"
#include "core/rng.h"
#include "data/image_io.h"
#include "data/mix.h"

namespace nala::data {
namespace {

// Faulty files in a row, at one position, after which something else must be wrong.
constexpr uint64_t kMaxSubstitutes = 20;

at::Tensor to_tensor(const std::vector<int64_t>& values) {
  return at::tensor(values, at::TensorOptions(at::kLong));  // (B)
}

// Moves the slots that are kept to the front and cuts the rest off.
void leave_out_dropped(Draft& draft) {
  const int64_t size = draft.images[0].numel();
  auto* memory = draft.images.data_ptr<float>();
  int64_t kept = 0;
  for (size_t i = 0; i < draft.slots.size(); ++i) {
    if (!draft.slots[i].dropped) {
      std::copy_n(memory + static_cast<int64_t>(i) * size, size, memory + kept * size);
      ++kept;
    }
  }
  draft.images = draft.images.narrow(0, 0, kept);
}

}  // namespace

BatchBuilder::BatchBuilder(std::shared_ptr<const Dataset> dataset,
                           const DataConfig& config,
                           const LoaderOptions& options)
    : dataset_(std::move(dataset)),
      config_(config),
      options_(options),
      repeated_{dataset_->size(), config.augment.repeats, config.group_size(),
                config.batch_size / config.group_size() * options.world},
      partition_{.size = repeats() ? repeated_.positions() : dataset_->size(),
                 .batch_size = config.batch_size,
                 .rank = options.rank,
                 .world = options.world,
                 .drop_last = options.drop_last.value_or(options.split == Split::train)},
      augment_(config),
      resize_(config),
      normaliser_(config.mean, config.std) {
  if (train() && partition_.drop_last && partition_.batches() == 0) {
    throw Error(ErrorKind::config,
                "data.batch_size: " + std::to_string(config.batch_size) + " on " +
                    std::to_string(options.world) + " process(es) is more than the " +
                    std::to_string(partition_.size) + " training pictures; lower it to at most " +
                    std::to_string(partition_.size / options.world));
  }
}

void BatchBuilder::set_epoch(int64_t epoch) {
  epoch_ = static_cast<uint64_t>(epoch);
  if (!train()) {
    return;
  }
  if (const auto side = config_.augment.size_in(epoch)) {
    config_.image_size = {*side};
    augment_ = TrainTransform(config_);
  }
  const std::vector<int64_t> runs = dataset_->runs();
  if (repeats()) {
    order_ = repeated_.of_epoch(epoch);
  } else if (!runs.empty()) {
    order_ = shard_order(options_.seed, epoch, runs, config_.shuffle_buffer);
  } else {
    order_ = epoch_order(options_.seed, epoch, partition_.size);
  }
}

Draft BatchBuilder::begin(int64_t batch) const {
  Draft draft;
  draft.positions = partition_.positions(batch);
  const int64_t count = draft.positions.size();
  draft.images =
      at::empty({count, 3, config_.height(), config_.width()},
                at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  draft.slots.resize(static_cast<size_t>(count));
  return draft;
}

void BatchBuilder::fill(Draft& draft, int64_t slot) const noexcept {
  Draft::Slot& own = draft.slots[static_cast<size_t>(slot)];
  try {
    const int64_t size = 3 * config_.height() * config_.width();
    load(own, draft.positions.begin + slot,
         static_cast<float*>(draft.images.data_ptr()) + slot * size);
  } catch (...) {
    own.error = std::current_exception();
  }
}

void BatchBuilder::load(Draft::Slot& slot, int64_t position, float* memory) const {
  slot.index = train() ? order_[static_cast<size_t>(position)] : position;
  for (uint64_t attempt = 0; !load_one(slot, position, memory); ++attempt) {
    if (!train()) {
      slot.dropped = true;
      return;
    }
    if (attempt == kMaxSubstitutes) {
      throw Error(
          ErrorKind::data,
          std::to_string(kMaxSubstitutes + 1) +
              " pictures in a row cannot be read, the last one: " + dataset_->path(slot.index) +
              ": " + slot.skips.back().reason + "; look at the set with: nalaformer data check");
    }
    Rng rng(Stream::substitute, {options_.seed, epoch_, static_cast<uint64_t>(position), attempt});
    slot.index = rng.integer(dataset_->size());
  }
}

// False when the file is faulty and may be skipped.
bool BatchBuilder::load_one(Draft::Slot& slot, int64_t position, float* memory) const {
  try {
    Rng rng(Stream::augment, {options_.seed, epoch_, static_cast<uint64_t>(position)});
    const DecodedPart part = dataset_->load_part(slot.index, [&](int64_t width, int64_t height) {
      return train() ? augment_.choose(width, height, rng) : resize_.choose(width, height);
    });
    slot.label = dataset_->label(slot.index);
    normaliser_(train() ? augment_(part.image, rng) : resize_(part.image, part.width, part.height),
                memory);
    if (train()) {
      augment_.erase(memory, rng);
    }
    return true;
  } catch (const ImageError& error) {
    if (config_.on_bad_file == OnBadFile::error) {
      throw;
    }
    const std::string prefix = dataset_->path(slot.index) + ": ";
    const std::string reason = error.what();
    slot.skips.push_back(
        {slot.index, reason.starts_with(prefix) ? reason.substr(prefix.size()) : reason});
    return false;
  }
}

FinishedBatch BatchBuilder::finish(Draft draft) const {
  FinishedBatch finished;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < draft.slots.size(); ++i) {
    Draft::Slot& slot = draft.slots[i];
    if (slot.error) {
      std::rethrow_exception(slot.error);
    }
    std::move(slot.skips.begin(), slot.skips.end(), std::back_inserter(finished.skips));
    if (!slot.dropped) {
      labels.push_back(slot.label);
      finished.batch.indices.push_back(slot.index);
      finished.batch.positions.push_back(draft.positions.begin + static_cast<int64_t>(i));
    }
  }
  if (labels.size() < draft.slots.size()) {
    leave_out_dropped(draft);
  }
  finished.batch.images = std::move(draft.images);
  finished.batch.labels = to_tensor(labels);
  finished.batch.label_weights = at::ones(static_cast<int64_t>(labels.size()));  // (B)
  if (train() && config_.augment.mixes_in(static_cast<int64_t>(epoch_))) {
    mix(draft.positions, finished.batch);
  }
  return finished;
}

void BatchBuilder::mix(const Range& positions, Batch& batch) const {
  batch.other_labels = at::empty_like(batch.labels);  // (B)
  const int64_t size = 3 * config_.height() * config_.width();
  auto* images = batch.images.data_ptr<float>();
  const auto* labels = batch.labels.const_data_ptr<int64_t>();
  auto* others = batch.other_labels.data_ptr<int64_t>();
  auto* weights = batch.label_weights.data_ptr<float>();
  // A batch begins at a multiple of the batch size, hence of the group's.
  const int64_t group = config_.group_size();
  for (int64_t first = 0; first < positions.size(); first += group) {
    const int64_t number = (positions.begin + first) / group;
    const auto count = static_cast<size_t>(std::min(group, positions.size() - first));
    Rng rng(Stream::mix, {options_.seed, epoch_, static_cast<uint64_t>(number)});
    const MixPlan plan = draw_mix(config_.augment, config_.height(), config_.width(), rng);
    mix_images(plan, static_cast<int64_t>(count), config_.height(), config_.width(),
               images + first * size);
    mix_labels(plan, {labels + first, count}, {others + first, count}, {weights + first, count});
  }
}

}  // namespace nala::data
