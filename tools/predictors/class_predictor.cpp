#include "predictors/class_predictor.h"

#include <torch/torch.h>

#include <utility>

#include "core/number_text.h"
#include "data/transforms/pipeline.h"
#include "predict/classifier.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

struct ClassedPicture : PicturePredictor::Picture {
  at::Tensor image;  // (1, 3, H, W) until it has run
  std::vector<predict::ClassScore> scores;
};

}  // namespace

ClassPredictor::ClassPredictor(predict::Network network,
                               std::vector<std::string> files,
                               int64_t top)
    : network_(std::move(network)), files_(std::move(files)), top_(top) {}

std::unique_ptr<predict::StreamTask::Item> ClassPredictor::read(int64_t index) const {
  auto picture = std::make_unique<ClassedPicture>();
  const std::string& path = files_[static_cast<size_t>(index)];
  picture->image = data::read_for_eval(path, network_.recipe.data);
  picture->result["path"] = path;
  return picture;
}

void ClassPredictor::run(std::span<Item* const> batch) const {
  std::vector<at::Tensor> images;
  for (Item* item : batch) {
    images.push_back(std::move(static_cast<ClassedPicture*>(item)->image));
  }
  auto scores = predict::classify(network_, at::cat(images), top_);
  for (size_t i = 0; i < batch.size(); ++i) {
    static_cast<ClassedPicture*>(batch[i])->scores = std::move(scores[i]);
  }
}

void ClassPredictor::write(Item& item) const {
  auto& picture = static_cast<ClassedPicture&>(item);
  ordered_json classes = ordered_json::array();
  for (const predict::ClassScore& score : picture.scores) {
    classes.push_back(
        {{"index", score.index}, {"label", score.label}, {"probability", score.probability}});
  }
  picture.result["top"] = std::move(classes);
}

std::string ClassPredictor::in_words(const ordered_json& result) const {
  std::string text;
  for (const auto& entry : result.at("top")) {
    text += text.empty() ? "" : ", ";
    text += entry.at("label").get<std::string>() + " " +
            fixed(100 * entry.at("probability").get<double>(), 1) + " %";
  }
  return text;
}

}  // namespace nala::tools
