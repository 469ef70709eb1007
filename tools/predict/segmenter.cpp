#include "predict/segmenter.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/number_text.h"
#include "data/image_io.h"
#include "data/label_drawing.h"
#include "eval/segmentation/label_picture.h"
#include "model_loading.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr double kMaskShare = 0.5;

data::Image as_image(const at::Tensor& labels) {
  data::Image image(labels.size(1), labels.size(0), 1);
  std::memcpy(image.pixels.data(), labels.const_data_ptr(), image.pixels.size());
  return image;
}

}  // namespace

SegmentationPredictor::SegmentationPredictor(const train::Weights& weights,
                                             std::shared_ptr<models::Model> model,
                                             at::Device device,
                                             const PredictOptions& options)
    : weights_(weights), model_(std::move(model)), device_(device), top_(options.top) {
  if (!options.output) {
    throw Error(ErrorKind::usage,
                "--output: not given; segmentation writes label maps, masks and overlays there");
  }
  folder_ = *options.output;
  const int64_t classes = weights.recipe.model.num_classes;
  for (int64_t index = 0; index < classes; ++index) {
    names_.push_back(class_name(weights, index));
  }
  colours_ = data::colours_of(weights.recipe.data.segmentation.palette, classes);
  for (const char* kind : {"labels", "masks", "overlays"}) {
    std::filesystem::create_directories(folder_ / kind);
  }
}

void SegmentationPredictor::add(const std::string& path) {
  added_.push_back({path, data::read_image(path)});
}

std::vector<ordered_json> SegmentationPredictor::run() {
  std::vector<ordered_json> results;
  for (const Added& added : added_) {
    results.push_back(segment(added));
  }
  added_.clear();
  return results;
}

ordered_json SegmentationPredictor::segment(const Added& added) {
  const auto forward = [this](const at::Tensor& images) {
    return model_->forward(images, {}).main;
  };
  const data::DataConfig& config = weights_.recipe.data;
  data::Image labels = as_image(eval::label_picture(forward, added.image, config, device_));
  const data::Image mask = data::colour_labels(labels, colours_);
  const std::string name = free_name(added.path) + ".png";
  std::vector<int64_t> counts(names_.size());
  for (const uint8_t label : labels.pixels) {
    ++counts.at(label);
  }
  data::write_png(folder_ / "masks" / name, mask);
  data::write_png(
      folder_ / "overlays" / name,
      data::with_legend(data::blend(added.image, mask, kMaskShare), labels, names_, colours_));
  if (config.segmentation.reduce_zero_label) {
    for (uint8_t& label : labels.pixels) {
      ++label;
    }
  }
  data::write_png(folder_ / "labels" / name, labels);

  std::vector<size_t> order(counts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return counts[a] > counts[b]; });
  ordered_json shares = ordered_json::array();
  for (const size_t index : order) {
    if (counts[index] == 0 || std::ssize(shares) == top_) {
      break;
    }
    shares.push_back({{"index", index},
                      {"label", names_[index]},
                      {"share", static_cast<double>(counts[index]) /
                                    static_cast<double>(labels.pixels.size())}});
  }
  ordered_json outputs = ordered_json::array();
  for (const char* kind : {"labels", "masks", "overlays"}) {
    outputs.push_back((folder_ / kind / name).string());
  }
  return {{"path", added.path}, {"outputs", std::move(outputs)}, {"shares", std::move(shares)}};
}

std::string SegmentationPredictor::free_name(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  const int64_t number = used_[stem]++;
  return number == 0 ? stem : stem + "_" + std::to_string(number + 1);
}

std::string SegmentationPredictor::in_words(const ordered_json& prediction) const {
  std::string text;
  for (const auto& entry : prediction.at("shares")) {
    text.append(text.empty() ? "" : ", ")
        .append(entry.at("label").get<std::string>())
        .append(" ")
        .append(fixed(100 * entry.at("share").get<double>(), 1))
        .append(" %");
  }
  return text;
}

}  // namespace nala::tools
