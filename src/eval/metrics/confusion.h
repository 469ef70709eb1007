// Segmentation: who was taken for whom, and the metrics of that.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace nala::eval {

/// Percent; NaN for a class that is neither in the labels nor (where it counts) predicted.
struct ClassScores {
  double iou = 0;   ///< intersection over union
  double acc = 0;   ///< share of the class's pixels that were found
  double dice = 0;  ///< 2 intersection / (labelled + predicted)
};

/// Pixels by true and predicted class, summed over a set: any split into pictures or ranks gives
/// the same numbers. Metrics are mmsegmentation's: areas summed over the set, means over the
/// classes that are not NaN.
class Confusion {
 public:
  explicit Confusion(int64_t classes);
  /// From sums() of the same number of classes.
  static Confusion from_sums(const at::Tensor& sums, int64_t classes);

  /// prediction and labels of the same shape, integer, on the CPU; prediction in [0, classes);
  /// pixels whose label is 255 or not below the number of classes do not count.
  void add(const at::Tensor& prediction, const at::Tensor& labels);
  /// Counts a picture done; it may have been added in parts.
  void count_picture() { ++images_; }

  /// (classes^2 + 1) float64: the matrix row by row, then the number of pictures. Additive.
  [[nodiscard]] at::Tensor sums() const;
  [[nodiscard]] int64_t classes() const { return matrix_.size(0); }
  /// (classes, classes) int64, truth by row, prediction by column.
  [[nodiscard]] const at::Tensor& matrix() const { return matrix_; }
  [[nodiscard]] int64_t images() const { return images_; }
  [[nodiscard]] int64_t pixels() const;

  [[nodiscard]] std::vector<ClassScores> per_class() const;
  /// Percent; NaN where no class counts.
  [[nodiscard]] double miou() const;
  [[nodiscard]] double macc() const;
  [[nodiscard]] double mdice() const;
  /// Share of all pixels that count; NaN without any.
  [[nodiscard]] double aacc() const;

 private:
  [[nodiscard]] double mean_of(double ClassScores::*score) const;

  at::Tensor matrix_;
  int64_t images_ = 0;
};

}  // namespace nala::eval
