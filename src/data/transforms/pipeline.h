// The transforms of a configuration, one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>

#include "core/rng.h"
#include "data/config.h"
#include "data/image.h"
#include "data/image_io.h"
#include "data/transforms/policy.h"

namespace nala::data {

/// Training (order of timm/data/transforms_factory.py): random crop to data.image_size, mirroring,
/// random affine map, policy, colour jitter; and, after normalisation, erasing. Immutable, hence
/// thread-safe. All draws come from `rng`, in this order: choose(), operator(), erase().
class TrainTransform {
 public:
  /// Throws Error(config) for a policy it does not know.
  explicit TrainTransform(const DataConfig& config);

  /// Which part of a width x height picture the crop takes.
  [[nodiscard]] Part choose(int64_t width, int64_t height, Rng& rng) const;
  /// The augmented picture of that part.
  [[nodiscard]] Image operator()(const Image& part, Rng& rng) const;
  /// Erases in the normalised picture, memory (H, W, 3) float32.
  void erase(float* values, Rng& rng) const;

 private:
  [[nodiscard]] std::optional<Interpolation> interpolation() const;

  DataConfig config_;
  std::optional<AugmentPolicy> policy_;
  Colour fill_;
};

/// Evaluation (as DeiT evaluates): short side to the evaluation size, long side in proportion,
/// then the centre; or stretched (`data.eval.crop: none`). For height != width the picture is
/// resized to cover the evaluation size, sides rounded half to even, as timm's ResizeKeepRatio.
/// Immutable, hence thread-safe.
class EvalTransform {
 public:
  explicit EvalTransform(const DataConfig& config) : config_(config) {}

  /// Which part of a width x height picture the result depends on.
  [[nodiscard]] Part choose(int64_t width, int64_t height) const;
  /// The result, from that part of a width x height picture (at a lower resolution under
  /// data.fast_decode).
  [[nodiscard]] Image operator()(const Image& part, int64_t width, int64_t height) const;

 private:
  DataConfig config_;
};

/// TrainTransform of one whole picture.
Image augment(const Image& image, const DataConfig& config, Rng& rng);

/// EvalTransform of one whole picture.
Image resize_for_eval(const Image& image, const DataConfig& config);

/// The picture as the model sees it in evaluation: (1, 3, H, W) float32, channels-last.
at::Tensor prepare_for_eval(const Image& image, const DataConfig& config);

/// The same from a file, of which only what the result depends on is decoded, and under
/// data.fast_decode. Throws ImageError.
at::Tensor read_for_eval(const std::filesystem::path& path, const DataConfig& config);

}  // namespace nala::data
