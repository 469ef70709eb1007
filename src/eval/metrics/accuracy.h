// Top-1, top-5 and loss of a classifier over a set.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace nala::eval {

/// Sums over pictures; the metrics are ratios of sums, so that any split into batches or ranks
/// gives the same numbers.
class Accuracy {
 public:
  /// logits (B, K) floating, labels (B) int64 in [0, K), on the same device.
  ///
  /// A picture counts in top-k when fewer than k classes come before its label: those of a larger
  /// logit, and equal ones of a lower index. A label whose logit is NaN never counts.
  void add(const at::Tensor& logits, const at::Tensor& labels);

  /// Everything counted, (4) float64 on the CPU: pictures, top-1, top-5, sum of the losses. Sums of
  /// several are what one Accuracy over all their pictures would give (the loss up to rounding).
  [[nodiscard]] at::Tensor sums() const;
  static Accuracy from_sums(const at::Tensor& sums);

  [[nodiscard]] int64_t images() const { return images_; }
  /// Percent; 0 for no picture.
  [[nodiscard]] double top1() const { return percent(top1_); }
  /// Percent; with fewer than five classes all labels count.
  [[nodiscard]] double top5() const { return percent(top5_); }
  /// Mean cross-entropy against the hard labels.
  [[nodiscard]] double loss() const;

 private:
  [[nodiscard]] double percent(int64_t count) const;

  int64_t images_ = 0;
  int64_t top1_ = 0;
  int64_t top5_ = 0;
  double loss_sum_ = 0;
};

}  // namespace nala::eval
