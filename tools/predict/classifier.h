// Pictures to classes.
#pragma once

#include "predict/picture_predictor.h"

namespace nala::tools {

/// Objects of path and top[{index, label, probability}], the likeliest first.
class Classifier : public PicturePredictor {
 public:
  Classifier(const train::Weights& weights,
             std::shared_ptr<models::Model> model,
             at::Device device,
             int64_t top);

  void add(const std::string& path) override;
  [[nodiscard]] size_t batch_size() const override { return 32; }
  std::vector<nlohmann::ordered_json> run() override;
  [[nodiscard]] std::string in_words(const nlohmann::ordered_json& prediction) const override;

 private:
  const train::Weights& weights_;
  std::shared_ptr<models::Model> model_;
  at::Device device_;
  int64_t top_;
  std::vector<std::string> paths_;
  std::vector<at::Tensor> images_;  // (1, 3, H, W) each
};

}  // namespace nala::tools
