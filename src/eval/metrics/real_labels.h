// "Are we done with ImageNet?" (Beyer et al. 2020): several right answers per picture, or none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace nala::eval {

/// The published labels of the 50 000 validation pictures. Immutable.
class RealLabels {
 public:
  /// Reads a JSON list whose entry i lists the classes of ILSVRC2012_val_<i + 1>. Throws
  /// Error(data) for a file of another form.
  static RealLabels read(const std::filesystem::path& path);

  /// The right classes of a picture, by the number in its file's name. Throws Error(data) for a
  /// name without one, or with one beyond the list.
  [[nodiscard]] const std::vector<int64_t>& of(const std::filesystem::path& picture) const;

 private:
  std::string source_;
  std::vector<std::vector<int64_t>> labels_;
};

/// Share of the pictures whose best class is among the right ones; pictures without a right class
/// do not count. `labels` outlives it.
class RealAccuracy {
 public:
  explicit RealAccuracy(const RealLabels& labels) : labels_(labels) {}

  void add(const std::filesystem::path& picture, int64_t best_class);

  [[nodiscard]] int64_t images() const { return images_; }
  [[nodiscard]] int64_t right() const { return right_; }

 private:
  const RealLabels& labels_;
  int64_t images_ = 0;
  int64_t right_ = 0;
};

}  // namespace nala::eval
