// What `predict` does with a picture: one implementation per task.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "predict/loading.h"
#include "predict/stream.h"
#include "predict/upscaler.h"

namespace nala::tools {

struct PredictOptions {
  int64_t top = 5;                              ///< classes to name per picture
  std::optional<std::filesystem::path> output;  ///< folder for what is written per picture
  bool compare = false;                         ///< also write the result beside the input
  predict::UpscaleOptions upscale;
};

/// The pictures of a command line on their way through a network.
class PicturePredictor : public predict::StreamTask {
 public:
  struct Picture : Item {
    nlohmann::ordered_json result;  ///< once written: an object, `path` in it
  };

  /// How many pictures are best run at once, and whether several such batches are.
  [[nodiscard]] virtual int64_t batch_size() const = 0;
  [[nodiscard]] virtual bool side_by_side() const = 0;
  /// A result in words, after the path.
  [[nodiscard]] virtual std::string in_words(const nlohmann::ordered_json& result) const = 0;
  /// What is wrong with a result that stands all the same, or empty.
  [[nodiscard]] virtual std::string warning(const nlohmann::ordered_json&) const { return ""; }
};

/// The predictor for the network's task; files are picture 0, 1, ... Throws Error(usage) for
/// options that the task lacks or does not have.
std::unique_ptr<PicturePredictor> build_predictor(const predict::Network& network,
                                                  const std::vector<std::string>& files,
                                                  const PredictOptions& options);

}  // namespace nala::tools
