// Batches of decoded, transformed and mixed pictures, made by worker threads ahead of time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

struct LoaderOptions {
  Split split = Split::train;
  uint64_t seed = 0;
  int64_t rank = 0;
  int64_t world = 1;
  std::optional<bool> drop_last;  ///< not given: true in training, false in evaluation
};

/// B is the batch size, less in a last partial batch and where evaluation left out faulty files; 1
/// where the pictures differ in size.
struct Batch {
  at::Tensor images;         ///< (B, C, H, W) of MadeSample::image, channels-last memory
  at::Tensor targets;        ///< (B, ...) MadeSample::target; undefined where labels are all
  at::Tensor labels;         ///< (B) int64
  at::Tensor other_labels;   ///< (B) int64, of the mixed-in pictures; undefined unless mixing is on
  at::Tensor label_weights;  ///< (B) float32: weight of labels; 1 - weight of other_labels
  std::vector<int64_t> positions;  ///< in the epoch, counted over all ranks: key of all randomness
  std::vector<int64_t> indices;    ///< in the data set
};

/// A file that could not be used, under `data.on_bad_file: skip`.
struct Skipped {
  std::string path;
  std::string reason;
  int64_t count = 0;  ///< how often it was met
  bool operator==(const Skipped&) const = default;
};

/// Delivers the batches of one epoch after another.
///
/// Every batch is a pure function of (data set, configuration, seed, epoch, batch number) and of
/// the rank's share: bit-identical for any number of workers, after start() in the middle of an
/// epoch, and, for the same global batch and data.mix_group, on any number of ranks (together).
/// Training visits a new order each epoch and augments; evaluation goes through the set in order.
///
/// A faulty file: `error` makes next() throw naming it; `skip` puts another sample in its place in
/// training (drawn by key; after 20 faulty ones in a row it throws), and leaves it out in
/// evaluation.
///
/// One consumer thread; the workers are joined by the destructor within one sample's time.
class Loader {
 public:
  /// Throws Error(config) when training would have no batch at all.
  Loader(std::shared_ptr<const Dataset> dataset,
         const DataConfig& config,
         const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Of this rank. Equal on all ranks in training.
  [[nodiscard]] int64_t batches_per_epoch() const;

  /// Begins (or begins again) with a batch of an epoch; what was prefetched is dropped.
  void start(int64_t epoch, int64_t first_batch = 0);

  /// The next batch, or nothing at the end of the epoch. Rethrows what a worker met; after that,
  /// and before the first call, start() is needed. An evaluation batch left empty by skipping is
  /// passed over.
  std::optional<Batch> next();

  /// Files skipped in the batches delivered so far, sorted by path, over all epochs.
  [[nodiscard]] std::vector<Skipped> skipped() const;

  /// Time next() has spent waiting (without workers: working), over all epochs.
  [[nodiscard]] double seconds_waited() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nala::data
