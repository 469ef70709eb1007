// `predict` with a segmentation network.
#pragma once

#include "data/datasets/segmentation_classes.h"
#include "predictors/picture_predictor.h"

namespace nala::tools {

/// Writes for each picture, named as it is (files of one stem get a number), below the output
/// folder
///   labels/*.png    one channel, the values that the set's own label maps have (ADE20K: class + 1,
///                   which is its submission format),
///   masks/*.png     the classes in their colours,
///   overlays/*.png  the picture under its mask, with a legend.
/// Objects of path, outputs[], shares[{index, label, share}], the largest first.
class LabelPredictor : public PicturePredictor {
 public:
  /// Throws Error(usage) without an output folder.
  LabelPredictor(predict::Network network,
                 std::vector<std::string> files,
                 const PredictOptions& options);

  [[nodiscard]] std::unique_ptr<Item> read(int64_t index) const override;
  void run(std::span<Item* const> batch) const override;
  void write(Item& item) const override;
  [[nodiscard]] int64_t batch_size() const override { return 1; }
  [[nodiscard]] bool side_by_side() const override { return false; }
  [[nodiscard]] std::string in_words(const nlohmann::ordered_json& result) const override;

 private:
  predict::Network network_;
  std::vector<std::string> files_;
  std::vector<std::string> names_;  // of the files written, as many
  int64_t top_;
  std::filesystem::path folder_;
  std::vector<data::Rgb> colours_;
};

}  // namespace nala::tools
