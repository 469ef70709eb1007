// Pictures to label maps.
#pragma once

#include <map>

#include "data/datasets/segmentation_classes.h"
#include "data/image.h"
#include "predict/picture_predictor.h"

namespace nala::tools {

/// Writes for each picture, named as it is, below the output folder
///   labels/*.png    one channel, the values that the set's own label maps have (ADE20K: class + 1,
///                   which is its submission format),
///   masks/*.png     the classes in their colours,
///   overlays/*.png  the picture under its mask, with a legend.
/// Objects of path, outputs[], shares[{index, label, share}], the largest first.
class SegmentationPredictor : public PicturePredictor {
 public:
  /// Throws Error(usage) without an output folder.
  SegmentationPredictor(const train::Weights& weights,
                        std::shared_ptr<models::Model> model,
                        at::Device device,
                        const PredictOptions& options);

  void add(const std::string& path) override;
  [[nodiscard]] size_t batch_size() const override { return 1; }
  std::vector<nlohmann::ordered_json> run() override;
  [[nodiscard]] std::string in_words(const nlohmann::ordered_json& prediction) const override;

 private:
  struct Added {
    std::string path;
    data::Image image;
  };
  [[nodiscard]] nlohmann::ordered_json segment(const Added& added);
  // Files of one stem in several folders get a number.
  std::string free_name(const std::string& path);

  const train::Weights& weights_;
  std::shared_ptr<models::Model> model_;
  at::Device device_;
  int64_t top_;
  std::filesystem::path folder_;
  std::vector<std::string> names_;
  std::vector<data::Rgb> colours_;
  std::vector<Added> added_;
  std::map<std::string, int64_t> used_;
};

}  // namespace nala::tools
