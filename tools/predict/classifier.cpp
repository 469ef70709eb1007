#include "predict/classifier.h"

#include <torch/torch.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/number_text.h"
#include "data/transforms/pipeline.h"
#include "model_loading.h"

namespace nala::tools {

using nlohmann::ordered_json;

Classifier::Classifier(const train::Weights& weights,
                       std::shared_ptr<models::Model> model,
                       at::Device device,
                       int64_t top)
    : weights_(weights), model_(std::move(model)), device_(device), top_(top) {}

void Classifier::add(const std::string& path) {
  images_.push_back(data::read_for_eval(path, weights_.recipe.data));
  paths_.push_back(path);
}

std::vector<ordered_json> Classifier::run() {
  std::vector<ordered_json> results;
  if (images_.empty()) {
    return results;
  }
  const at::NoGradGuard no_grad;
  const at::Tensor logits = model_->forward(at::cat(images_).to(device_), {}).main;  // (B, K)
  const at::Tensor probabilities = at::softmax(logits.to(at::kFloat), 1).cpu();      // (B, K)
  const int64_t top = std::min(top_, probabilities.size(1));
  const auto [values, indices] = probabilities.topk(top, 1);  // (B, top) each
  for (int64_t i = 0; i < std::ssize(paths_); ++i) {
    ordered_json classes = ordered_json::array();
    for (int64_t rank = 0; rank < top; ++rank) {
      const int64_t index = indices[i][rank].item<int64_t>();
      classes.push_back({{"index", index},
                         {"label", class_name(weights_, index)},
                         {"probability", values[i][rank].item<float>()}});
    }
    results.push_back({{"path", paths_[static_cast<size_t>(i)]}, {"top", std::move(classes)}});
  }
  images_.clear();
  paths_.clear();
  return results;
}

std::string Classifier::in_words(const ordered_json& prediction) const {
  std::string text;
  for (const auto& entry : prediction.at("top")) {
    text += text.empty() ? "" : ", ";
    text += entry.at("label").get<std::string>() + " " +
            fixed(100 * entry.at("probability").get<double>(), 1) + " %";
  }
  return text;
}

}  // namespace nala::tools
