// What is inside one batch: a pure function of the epoch and the batch number.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "data/batch_memory.h"
#include "data/loader.h"
#include "data/mix.h"
#include "data/repeated_order.h"
#include "data/sample_maker.h"
#include "data/sampler.h"

namespace nala::data {

/// A faulty file met at one position.
struct SkipEvent {
  int64_t index = 0;  ///< in the data set
  std::string reason;
};

/// A batch being filled. Each slot is written by one thread; no two slots share memory, until both
/// partners of a mixed pair are there.
struct Draft {
  struct Slot {
    int64_t index = 0;
    MadeSample made;  ///< a part of `memory`, where there is one
    bool dropped = false;
    std::vector<SkipEvent> skips;
    std::exception_ptr error;
  };
  Range positions;
  BatchTensors memory;  ///< undefined where samples differ in size
  std::vector<Slot> slots;
  std::vector<MixPlan> plans;     ///< of the groups; empty: nothing is mixed
  std::vector<int8_t> pairs_met;  ///< by the lower slot: how many of the two partners are there
};

struct FinishedBatch {
  Batch batch;
  std::vector<SkipEvent> skips;  ///< in the order of the positions
};

/// Loads, transforms and mixes. Its const functions are thread-safe, fill() for different slots;
/// the others are for one thread.
class BatchBuilder {
 public:
  /// `kept_batches`: whose memory is used again.
  BatchBuilder(std::shared_ptr<const Dataset> dataset,
               const DataConfig& config,
               const LoaderOptions& options,
               int64_t kept_batches);

  /// Not while other threads use the object.
  void set_epoch(int64_t epoch);

  [[nodiscard]] const Partition& partition() const { return partition_; }
  [[nodiscard]] const Dataset& dataset() const { return *dataset_; }

  [[nodiscard]] Draft begin(int64_t batch);
  /// Decodes and augments one sample, and mixes it with its partner when that is there already;
  /// what goes wrong is kept in the slot.
  void fill(Draft& draft, int64_t slot) const noexcept;
  /// Puts the filled slots together. Rethrows the error of the lowest slot.
  [[nodiscard]] FinishedBatch finish(Draft draft) const;
  /// Gives up memory kept for the next batches.
  void release_memory() { memory_.clear(); }

 private:
  [[nodiscard]] bool train() const { return options_.split == Split::train; }
  [[nodiscard]] bool repeats() const { return train() && config_.augment.repeats > 1; }
  [[nodiscard]] int64_t positions_per_epoch() const;
  void load(Draft::Slot& slot, int64_t position) const;
  [[nodiscard]] bool load_one(Draft::Slot& slot, int64_t position) const;
  [[nodiscard]] std::vector<int64_t> order_of_epoch(int64_t epoch) const;
  [[nodiscard]] std::vector<MixPlan> draw_plans(const Range& positions) const;
  [[nodiscard]] int64_t partner_of(const Draft& draft, int64_t slot) const;
  void mix_with_partner(Draft& draft, int64_t slot) const;
  void mix_labels_of(const Draft& draft, Batch& batch) const;

  std::shared_ptr<const Dataset> dataset_;
  DataConfig config_;
  LoaderOptions options_;
  std::unique_ptr<SampleMaker> maker_;
  RepeatedOrder repeated_;
  Partition partition_;
  uint64_t epoch_ = 0;
  std::vector<int64_t> order_;        // of the epoch; empty in evaluation
  std::optional<SampleShape> shape_;  // of the epoch
  BatchMemory memory_;
};

}  // namespace nala::data
