// What `predict` does with a picture: one implementation per task.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/model.h"
#include "train/weights.h"

namespace nala::tools {

struct PredictOptions {
  int64_t top = 5;                              ///< classes to name per picture
  std::optional<std::filesystem::path> output;  ///< folder for what is written per picture
  bool compare = false;                         ///< also write the result beside the input
  double memory_mb = 2000;                      ///< super-resolution: for one forward
  std::optional<int64_t> tile;                  ///< in place of what fits the memory; 0: whole
  int64_t overlap = 16;                         ///< of tiles, in pixels of the input
  bool self_ensemble = false;                   ///< mean over eight orientations
};

/// Takes pictures one by one and answers for several at once.
class PicturePredictor {
 public:
  virtual ~PicturePredictor() = default;

  /// Reads a file and keeps it for the next run(). Throws Error for one that cannot be used.
  virtual void add(const std::string& path) = 0;
  /// How many pictures are best added before run().
  [[nodiscard]] virtual size_t batch_size() const = 0;
  /// Runs what was added: an object per picture, in order, `path` in each. Nothing stays added.
  virtual std::vector<nlohmann::ordered_json> run() = 0;
  /// One of those objects in words, after the path.
  [[nodiscard]] virtual std::string in_words(const nlohmann::ordered_json& prediction) const = 0;
};

/// The predictor for the checkpoint's task. `weights` outlives it. Throws Error(usage) for options
/// that the task lacks or does not have.
std::unique_ptr<PicturePredictor> build_predictor(const train::Weights& weights,
                                                  std::shared_ptr<models::Model> model,
                                                  at::Device device,
                                                  const PredictOptions& options);

}  // namespace nala::tools
