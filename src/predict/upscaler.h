// Pictures to larger pictures.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "data/raw_picture.h"
#include "data/transforms/matlab_resize.h"
#include "predict/loading.h"

namespace nala::predict {

struct UpscaleOptions {
  double memory_mb = 2000;      ///< for one forward
  std::optional<int64_t> tile;  ///< side of the tiles in place of what fits the memory; 0: whole
  int64_t overlap = 16;         ///< of tiles, in pixels of the input
  bool self_ensemble = false;   ///< mean over eight orientations
};

/// Tiles of at least this side lose at most 0.1 dB against the whole picture
/// (docs/super_resolution.md).
inline constexpr int64_t kSafeTile = 256;

/// Enlarges pictures: grey, alpha (by MATLAB's bicubic) and 16 bits stay. They are enlarged whole
/// where that fits into the stated memory, else in the largest square tiles that do. Immutable,
/// hence thread-safe.
class Upscaler {
 public:
  /// Throws Error(usage) for memory that no tile fits into.
  Upscaler(Network network, const UpscaleOptions& options);

  [[nodiscard]] int64_t scale() const { return scale_; }
  [[nodiscard]] data::RawPicture operator()(const data::RawPicture& picture) const;
  /// Side of the tiles that a picture goes in; 0: it goes as a whole.
  [[nodiscard]] int64_t tile_of(int64_t height, int64_t width) const;

 private:
  [[nodiscard]] at::Tensor enlarged(const at::Tensor& image) const;
  [[nodiscard]] bool fits(int64_t height, int64_t width) const;

  Network network_;
  UpscaleOptions options_;
  models::ResolvedModel model_;
  int64_t scale_;
};

/// MATLAB's bicubic enlargement of `count` channels from `first` on, in units of the stored values.
data::RealImage enlarge_bicubic(const data::RawPicture& picture,
                                int64_t first,
                                int64_t count,
                                int64_t scale);

/// At least the memory that a forward of a super-resolution network, not fused, takes per
/// low-resolution pixel, in bytes, float32: 10 to 40 % above what was measured of light and base at
/// x2 and x4.
int64_t forward_bytes_per_pixel(const models::ResolvedModel& model);

}  // namespace nala::predict
