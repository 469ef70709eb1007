// `predict` with a super-resolution network.
#pragma once

#include "predictors/picture_predictor.h"

namespace nala::tools {

/// Writes <name>_x<s>.png into the output folder, of the input's kind; with `compare` also
/// <name>_x<s>_compare.png, bicubic and network side by side, 8-bit colour. Objects of path and
/// outputs[], and `tile`, the side of the tiles, where the picture did not go as a whole.
class EnlargingPredictor : public PicturePredictor {
 public:
  /// Throws Error(usage) without an output folder and for memory that no tile fits into.
  EnlargingPredictor(const predict::Network& network,
                     std::vector<std::string> files,
                     const PredictOptions& options);

  /// Of two inputs that would write one file the second cannot be used.
  [[nodiscard]] std::unique_ptr<Item> read(int64_t index) const override;
  void run(std::span<Item* const> batch) const override;
  void write(Item& item) const override;
  [[nodiscard]] int64_t batch_size() const override { return 1; }
  [[nodiscard]] bool side_by_side() const override { return false; }
  [[nodiscard]] std::string in_words(const nlohmann::ordered_json& result) const override;
  /// Of tiles below predict::kSafeTile.
  [[nodiscard]] std::string warning(const nlohmann::ordered_json& result) const override;

 private:
  [[nodiscard]] std::string name_of(const std::string& path) const;

  predict::Upscaler upscaler_;
  std::vector<std::string> files_;
  std::vector<bool> name_taken_;  // by an input before it
  bool compare_;
  std::filesystem::path folder_;
};

}  // namespace nala::tools
