// What a batch holds of one stored picture: one implementation per kind of task.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/rng.h"
#include "data/config.h"
#include "data/dataset.h"

namespace nala::data {

/// One sample of a batch.
struct MadeSample {
  at::Tensor image;   ///< (H, W, C), contiguous: float32 as the network takes it, or (evaluation of
                      ///< segmentation, which looks at several views) uint8 as stored
  at::Tensor target;  ///< contiguous, what the task learns from; undefined where that is the label
};

/// What all samples of an epoch have in common.
struct SampleShape {
  std::vector<int64_t> image;   ///< (H, W, C), float32
  std::vector<int64_t> target;  ///< empty: labels are all
  at::ScalarType target_type = at::kByte;
};

/// Decodes and transforms. make() is a pure function of the epoch, the index and the key of `rng`,
/// and is called by several threads at once; it must not use LibTorch's own threads, which the
/// training step needs.
class SampleMaker {
 public:
  virtual ~SampleMaker() = default;

  /// Called before an epoch, not while other threads use the object.
  virtual void set_epoch(int64_t /*epoch*/) {}
  /// Writes into the tensors of `place`, which are of shape(), and returns them; new ones where
  /// they are undefined. Throws ImageError naming a file that cannot be used. In evaluation `rng`
  /// is left alone.
  [[nodiscard]] virtual MadeSample make(int64_t index, Rng& rng, MadeSample place) const = 0;
  /// Of the epoch's samples; nothing where they differ in size, so that batches hold one each.
  [[nodiscard]] virtual std::optional<SampleShape> shape() const = 0;
};

/// The tensor, or where it is undefined a new one; what it holds is undefined.
at::Tensor given_or_new(at::Tensor given, at::IntArrayRef sizes, at::ScalarType type = at::kFloat);

/// The maker for the configured kind of data set. Throws Error(config).
std::unique_ptr<SampleMaker> build_sample_maker(std::shared_ptr<const Dataset> dataset,
                                                const DataConfig& config,
                                                Split split);

}  // namespace nala::data
