// Logits of one view of a picture from top to bottom, so that no more of them is kept than is
// looked at.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "data/segmentation_config.h"
#include "eval/evaluator.h"

namespace nala::eval {

/// Rows [begin, end) of `map` enlarged or reduced bilinearly to `height` rows, as
/// at::upsample_bilinear2d with align_corners false has them. map: (K, rows, W), the rows from
/// `first` on of one with `map_height`; it must hold those that rows_needed() names.
struct RowResize {
  int64_t map_height = 0;
  int64_t height = 0;

  /// The rows of the map [first, second) that rows [begin, end) are made of.
  [[nodiscard]] std::pair<int64_t, int64_t> rows_needed(int64_t begin, int64_t end) const;
  /// (K, end - begin, W).
  [[nodiscard]] at::Tensor operator()(const at::Tensor& map,
                                      int64_t first,
                                      int64_t begin,
                                      int64_t end) const;
};

/// (K, n, w) with columns enlarged or reduced bilinearly: (K, n, width).
at::Tensor resize_columns(const at::Tensor& rows, int64_t width);

/// The logits of a view at its own height and width. Not thread-safe.
class LogitRows {
 public:
  virtual ~LogitRows() = default;
  [[nodiscard]] virtual int64_t height() const = 0;
  /// Rows [begin, end): (K, end - begin, width) float32. From call to call `begin` does not fall.
  virtual at::Tensor rows(int64_t begin, int64_t end) = 0;
};

/// Of view (1, 3, H, W), already on the network's device. `whole` runs the network once, here;
/// `slide` runs it window by window as rows are asked for (mmsegmentation's slide_inference: the
/// last windows are shifted inside, logits averaged by the number of windows over a pixel).
std::unique_ptr<LogitRows> logit_rows(const Forward& forward,
                                      const at::Tensor& view,
                                      const data::SegmentationEval& options);

/// Where the windows of one direction begin: `stride` apart, the last shifted inside; one at 0 for
/// a picture no longer than a window.
std::vector<int64_t> window_begins(int64_t length, int64_t window, int64_t stride);

}  // namespace nala::eval
