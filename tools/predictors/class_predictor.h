// `predict` with a classifier.
#pragma once

#include "predictors/picture_predictor.h"

namespace nala::tools {

/// Objects of path and top[{index, label, probability}], the likeliest first.
class ClassPredictor : public PicturePredictor {
 public:
  ClassPredictor(predict::Network network, std::vector<std::string> files, int64_t top);

  [[nodiscard]] std::unique_ptr<Item> read(int64_t index) const override;
  void run(std::span<Item* const> batch) const override;
  void write(Item& item) const override;
  [[nodiscard]] int64_t batch_size() const override { return 16; }
  /// On a CPU: a batch on one thread.
  [[nodiscard]] bool side_by_side() const override { return network_.device.is_cpu(); }
  [[nodiscard]] std::string in_words(const nlohmann::ordered_json& result) const override;

 private:
  predict::Network network_;
  std::vector<std::string> files_;
  int64_t top_;
};

}  // namespace nala::tools
