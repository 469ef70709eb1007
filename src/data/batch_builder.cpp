#include "data/batch_builder.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

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

// Contiguous tensors of one shape as one, (B, ...): copied by this thread alone, for LibTorch's own
// threads belong to the training step.
at::Tensor stacked(const std::vector<at::Tensor>& parts) {
  std::vector<int64_t> shape = parts.front().sizes().vec();
  shape.insert(shape.begin(), std::ssize(parts));
  at::Tensor all = at::empty(shape, parts.front().options());  // (B, ...)
  auto* memory = static_cast<std::byte*>(all.data_ptr());
  for (const at::Tensor& part : parts) {
    TORCH_INTERNAL_ASSERT(part.is_contiguous() && part.sizes() == parts.front().sizes());
    std::memcpy(memory, part.const_data_ptr(), part.nbytes());
    memory += part.nbytes();
  }
  return all;
}

}  // namespace

BatchBuilder::BatchBuilder(std::shared_ptr<const Dataset> dataset,
                           const DataConfig& config,
                           const LoaderOptions& options)
    : dataset_(std::move(dataset)),
      config_(config),
      options_(options),
      maker_(build_sample_maker(dataset_, config, options.split)),
      repeated_{dataset_->size(), config.augment.repeats, config.group_size(),
                config.batch_size / config.group_size() * options.world},
      partition_{.size = positions_per_epoch(),
                 .batch_size = maker_->one_size() ? config.batch_size : 1,
                 .rank = options.rank,
                 .world = options.world,
                 .drop_last = options.drop_last.value_or(options.split == Split::train)} {
  if (train() && partition_.drop_last && partition_.batches() == 0) {
    throw Error(ErrorKind::config,
                "data.batch_size: " + std::to_string(config.batch_size) + " on " +
                    std::to_string(options.world) + " process(es) is more than the " +
                    std::to_string(partition_.size) + " training pictures; lower it to at most " +
                    std::to_string(partition_.size / options.world));
  }
}

int64_t BatchBuilder::positions_per_epoch() const {
  if (repeats()) {
    return repeated_.positions();
  }
  return train() ? dataset_->size() * config_.repeat : dataset_->size();
}

void BatchBuilder::set_epoch(int64_t epoch) {
  epoch_ = static_cast<uint64_t>(epoch);
  maker_->set_epoch(epoch);
  if (train()) {
    order_ = order_of_epoch(epoch);
  }
}

std::vector<int64_t> BatchBuilder::order_of_epoch(int64_t epoch) const {
  if (repeats()) {
    return repeated_.of_epoch(epoch);
  }
  const std::vector<int64_t> runs = dataset_->runs();
  std::vector<int64_t> order;
  for (int64_t pass = epoch * config_.repeat; pass < (epoch + 1) * config_.repeat; ++pass) {
    const std::vector<int64_t> part =
        runs.empty() ? epoch_order(options_.seed, pass, dataset_->size())
                     : shard_order(options_.seed, pass, runs, config_.shuffle_buffer);
    order.insert(order.end(), part.begin(), part.end());
  }
  return order;
}

Draft BatchBuilder::begin(int64_t batch) const {
  Draft draft;
  draft.positions = partition_.positions(batch);
  draft.slots.resize(static_cast<size_t>(draft.positions.size()));
  return draft;
}

void BatchBuilder::fill(Draft& draft, int64_t slot) const noexcept {
  Draft::Slot& own = draft.slots[static_cast<size_t>(slot)];
  try {
    load(own, draft.positions.begin + slot);
  } catch (...) {
    own.error = std::current_exception();
  }
}

void BatchBuilder::load(Draft::Slot& slot, int64_t position) const {
  slot.index = train() ? order_[static_cast<size_t>(position)] : position;
  for (uint64_t attempt = 0; !load_one(slot, position); ++attempt) {
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
bool BatchBuilder::load_one(Draft::Slot& slot, int64_t position) const {
  try {
    Rng rng(Stream::augment, {options_.seed, epoch_, static_cast<uint64_t>(position)});
    slot.made = maker_->make(slot.index, rng);
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
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> targets;
  for (size_t i = 0; i < draft.slots.size(); ++i) {
    Draft::Slot& slot = draft.slots[i];
    if (slot.error) {
      std::rethrow_exception(slot.error);
    }
    std::move(slot.skips.begin(), slot.skips.end(), std::back_inserter(finished.skips));
    if (!slot.dropped) {
      labels.push_back(slot.made.label);
      images.push_back(std::move(slot.made.image));
      if (slot.made.target.defined()) {
        targets.push_back(std::move(slot.made.target));
      }
      finished.batch.indices.push_back(slot.index);
      finished.batch.positions.push_back(draft.positions.begin + static_cast<int64_t>(i));
    }
  }
  if (!images.empty()) {
    finished.batch.images = stacked(images).permute({0, 3, 1, 2});
  }
  if (!targets.empty()) {
    finished.batch.targets = stacked(targets);
  }
  finished.batch.labels = to_tensor(labels);
  finished.batch.label_weights = at::ones(static_cast<int64_t>(labels.size()));  // (B)
  if (train() && !images.empty() && config_.augment.mixes_in(static_cast<int64_t>(epoch_))) {
    mix(draft.positions, finished.batch);
  }
  return finished;
}

void BatchBuilder::mix(const Range& positions, Batch& batch) const {
  batch.other_labels = at::empty_like(batch.labels);  // (B)
  const int64_t height = batch.images.size(2);
  const int64_t width = batch.images.size(3);
  const int64_t size = 3 * height * width;
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
    const MixPlan plan = draw_mix(config_.augment, height, width, rng);
    mix_images(plan, static_cast<int64_t>(count), height, width, images + first * size);
    mix_labels(plan, {labels + first, count}, {others + first, count}, {weights + first, count});
  }
}

}  // namespace nala::data
