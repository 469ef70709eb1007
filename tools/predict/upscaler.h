// Pictures to larger pictures.
#pragma once

#include <set>
#include <utility>

#include "data/raw_picture.h"
#include "predict/picture_predictor.h"

namespace nala::tools {

/// Writes <name>_x<s>.png into the output folder, of the input's kind: grey, alpha (enlarged by
/// MATLAB's bicubic) and 16 bits stay; with `compare` also <name>_x<s>_compare.png, bicubic and
/// network side by side, 8-bit colour. Objects of path and outputs[].
///
/// Pictures are enlarged whole where that fits into the stated memory, else in the largest square
/// tiles that do.
class Upscaler : public PicturePredictor {
 public:
  /// Throws Error(usage) without an output folder and for memory that no tile fits into.
  Upscaler(const train::Weights& weights,
           std::shared_ptr<models::Model> model,
           at::Device device,
           const PredictOptions& options);

  void add(const std::string& path) override;
  [[nodiscard]] size_t batch_size() const override { return 1; }
  std::vector<nlohmann::ordered_json> run() override;
  [[nodiscard]] std::string in_words(const nlohmann::ordered_json& prediction) const override;

 private:
  [[nodiscard]] std::string name_of(const std::string& path) const;
  [[nodiscard]] at::Tensor enlarged(const at::Tensor& image) const;
  nlohmann::ordered_json write(const std::string& path, const data::RawPicture& picture);

  std::shared_ptr<models::Model> model_;
  at::Device device_;
  PredictOptions options_;
  int64_t scale_;
  int64_t whole_pixels_;  // that fit into the memory at once
  std::vector<std::pair<std::string, data::RawPicture>> waiting_;
  std::set<std::string> written_;
};

/// At least the memory that a forward of a super-resolution network takes per low-resolution pixel,
/// in bytes, float32: 10 to 40 % above what was measured of light and base at x2 and x4.
int64_t forward_bytes_per_pixel(const models::ResolvedModel& model);

}  // namespace nala::tools
