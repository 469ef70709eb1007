#include "data/batch_builder.h"

#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

#include "core/error.h"
#include "core/rng.h"
#include "data/image_io.h"

namespace nala::data {
namespace {

// Faulty files in a row, at one position, after which something else must be wrong.
constexpr uint64_t kMaxSubstitutes = 20;

at::Tensor to_tensor(const std::vector<int64_t>& values) {
  return at::tensor(values, at::TensorOptions(at::kLong));  // (B)
}

// Closes the gap below sample `from`: moves it to place `to` < from. (B, ...)
void move_sample(at::Tensor& all, int64_t from, int64_t to) {
  const size_t size = all.nbytes() / static_cast<size_t>(all.size(0));
  auto* memory = static_cast<std::byte*>(all.data_ptr());
  std::memcpy(memory + static_cast<size_t>(to) * size, memory + static_cast<size_t>(from) * size,
              size);
}

}  // namespace

BatchBuilder::BatchBuilder(std::shared_ptr<const Dataset> dataset,
                           const DataConfig& config,
                           const LoaderOptions& options,
                           int64_t kept_batches)
    : dataset_(std::move(dataset)),
      config_(config),
      options_(options),
      maker_(build_sample_maker(dataset_, config, options.split)),
      repeated_{dataset_->size(), config.augment.repeats, config.group_size(),
                config.batch_size / config.group_size() * options.world},
      partition_{.size = positions_per_epoch(),
                 .batch_size = maker_->shape() ? config.batch_size : 1,
                 .rank = options.rank,
                 .world = options.world,
                 .drop_last = options.drop_last.value_or(options.split == Split::train)},
      memory_(kept_batches) {
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
  shape_ = maker_->shape();
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

Draft BatchBuilder::begin(int64_t batch) {
  Draft draft;
  draft.positions = partition_.positions(batch);
  const int64_t count = draft.positions.size();
  draft.slots.resize(static_cast<size_t>(count));
  if (!shape_) {
    return draft;
  }
  draft.memory = memory_.take(*shape_, count);
  const std::vector<at::Tensor> images = draft.memory.images.unbind();
  const std::vector<at::Tensor> targets =
      draft.memory.targets.defined() ? draft.memory.targets.unbind() : std::vector<at::Tensor>();
  for (size_t i = 0; i < draft.slots.size(); ++i) {
    draft.slots[i].made = {images[i], targets.empty() ? at::Tensor() : targets[i]};
  }
  if (train() && config_.augment.mixes_in(static_cast<int64_t>(epoch_))) {
    draft.plans = draw_plans(draft.positions);
    draft.pairs_met.resize(draft.slots.size());
  }
  return draft;
}

void BatchBuilder::fill(Draft& draft, int64_t slot) const noexcept {
  Draft::Slot& own = draft.slots[static_cast<size_t>(slot)];
  try {
    load(own, draft.positions.begin + slot);
  } catch (...) {
    own.error = std::current_exception();
  }
  if (!draft.plans.empty()) {
    mix_with_partner(draft, slot);
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
    slot.made = maker_->make(slot.index, rng, slot.made);
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
  Batch& batch = finished.batch;
  BatchTensors& all = draft.memory;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < draft.slots.size(); ++i) {
    Draft::Slot& slot = draft.slots[i];
    if (slot.error) {
      std::rethrow_exception(slot.error);
    }
    std::move(slot.skips.begin(), slot.skips.end(), std::back_inserter(finished.skips));
    if (slot.dropped) {
      continue;
    }
    const auto from = static_cast<int64_t>(i);
    const int64_t to = std::ssize(labels);
    if (!shape_) {
      all.images = slot.made.image.unsqueeze(0);
      all.targets = slot.made.target.defined() ? slot.made.target.unsqueeze(0) : at::Tensor();
    } else if (to != from) {
      for (at::Tensor* tensor : {&all.images, &all.targets}) {
        if (tensor->defined()) {
          move_sample(*tensor, from, to);
        }
      }
    }
    labels.push_back(dataset_->label(slot.index));
    batch.indices.push_back(slot.index);
    batch.positions.push_back(draft.positions.begin + from);
  }
  const int64_t count = std::ssize(labels);
  if (count > 0) {
    batch.images = all.images.narrow(0, 0, count).permute({0, 3, 1, 2});
    batch.targets = all.targets.defined() ? all.targets.narrow(0, 0, count) : at::Tensor();
  }
  batch.labels = to_tensor(labels);
  batch.label_weights = at::ones(count);  // (B)
  if (!draft.plans.empty()) {
    mix_labels_of(draft, batch);
  }
  return finished;
}

// A batch begins at a multiple of the batch size, hence of the group's.
std::vector<MixPlan> BatchBuilder::draw_plans(const Range& positions) const {
  const int64_t group = config_.group_size();
  std::vector<MixPlan> plans;
  for (int64_t first = positions.begin; first < positions.end; first += group) {
    Rng rng(Stream::mix, {options_.seed, epoch_, static_cast<uint64_t>(first / group)});
    plans.push_back(draw_mix(config_.augment, shape_->image[0], shape_->image[1], rng));
  }
  return plans;
}

int64_t BatchBuilder::partner_of(const Draft& draft, int64_t slot) const {
  const int64_t group = config_.group_size();
  const int64_t first = slot / group * group;
  const int64_t last = std::min(first + group, draft.positions.size()) - 1;
  return last - (slot - first);
}

// The thread that completes a pair mixes it.
void BatchBuilder::mix_with_partner(Draft& draft, int64_t slot) const {
  const auto [low, high] = std::minmax({slot, partner_of(draft, slot)});
  std::atomic_ref<int8_t> met(draft.pairs_met[static_cast<size_t>(low)]);
  if (low == high || met.fetch_add(1, std::memory_order_acq_rel) == 0) {
    return;
  }
  Draft::Slot& own = draft.slots[static_cast<size_t>(low)];
  Draft::Slot& partner = draft.slots[static_cast<size_t>(high)];
  if (!own.error && !partner.error) {
    const MixPlan& plan = draft.plans[static_cast<size_t>(slot / config_.group_size())];
    mix_pair(plan, shape_->image[0], shape_->image[1], own.made.image.data_ptr<float>(),
             partner.made.image.data_ptr<float>());
  }
}

void BatchBuilder::mix_labels_of(const Draft& draft, Batch& batch) const {
  batch.other_labels = at::empty_like(batch.labels);  // (B)
  const auto* labels = batch.labels.const_data_ptr<int64_t>();
  auto* others = batch.other_labels.data_ptr<int64_t>();
  auto* weights = batch.label_weights.data_ptr<float>();
  const int64_t group = config_.group_size();
  for (int64_t first = 0; first < draft.positions.size(); first += group) {
    const auto count = static_cast<size_t>(std::min(group, draft.positions.size() - first));
    mix_labels(draft.plans[static_cast<size_t>(first / group)], {labels + first, count},
               {others + first, count}, {weights + first, count});
  }
}

}  // namespace nala::data
