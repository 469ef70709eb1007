#include "predictors/label_predictor.h"

#include <map>
#include <utility>

#include "core/error.h"
#include "core/number_text.h"
#include "data/image_io.h"
#include "data/label_drawing.h"
#include "predict/segmenter.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr double kMaskShare = 0.5;

struct LabelledPicture : PicturePredictor::Picture {
  std::string name;  // of the files written
  data::Image image;
  data::Image labels;
};

std::vector<std::string> file_names(const std::vector<std::string>& paths) {
  std::map<std::string, int64_t> used;
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    const std::string stem = std::filesystem::path(path).stem().string();
    const int64_t number = used[stem]++;
    names.push_back((number == 0 ? stem : stem + "_" + std::to_string(number + 1)) + ".png");
  }
  return names;
}

}  // namespace

LabelPredictor::LabelPredictor(predict::Network network,
                               std::vector<std::string> files,
                               const PredictOptions& options)
    : network_(std::move(network)),
      files_(std::move(files)),
      names_(file_names(files_)),
      top_(options.top) {
  if (!options.output) {
    throw Error(ErrorKind::usage,
                "--output: not given; segmentation writes label maps, masks and overlays there");
  }
  folder_ = *options.output;
  colours_ = data::colours_of(network_.recipe.data.segmentation.palette,
                              network_.recipe.model.num_classes);
  for (const char* kind : {"labels", "masks", "overlays"}) {
    std::filesystem::create_directories(folder_ / kind);
  }
}

std::unique_ptr<predict::StreamTask::Item> LabelPredictor::read(int64_t index) const {
  auto picture = std::make_unique<LabelledPicture>();
  const std::string& path = files_[static_cast<size_t>(index)];
  picture->image = data::read_image(path);
  picture->name = names_[static_cast<size_t>(index)];
  picture->result["path"] = path;
  return picture;
}

void LabelPredictor::run(std::span<Item* const> batch) const {
  for (Item* item : batch) {
    auto& picture = static_cast<LabelledPicture&>(*item);
    picture.labels = predict::label_map(network_, picture.image);
  }
}

void LabelPredictor::write(Item& item) const {
  auto& picture = static_cast<LabelledPicture&>(item);
  const std::string& name = picture.name;
  data::Image& labels = picture.labels;
  const std::vector<std::string>& classes = network_.classes;
  const data::Image mask = data::colour_labels(labels, colours_);
  data::write_png(folder_ / "masks" / name, mask);
  data::write_png(
      folder_ / "overlays" / name,
      data::with_legend(data::blend(picture.image, mask, kMaskShare), labels, classes, colours_));
  ordered_json shares = ordered_json::array();
  for (const data::ClassPixels& present : data::classes_in(labels, classes.size())) {
    if (std::ssize(shares) == top_) {
      break;
    }
    shares.push_back({{"index", present.index},
                      {"label", classes[present.index]},
                      {"share", static_cast<double>(present.pixels) /
                                    static_cast<double>(labels.pixels.size())}});
  }
  if (network_.recipe.data.segmentation.reduce_zero_label) {
    for (uint8_t& label : labels.pixels) {
      ++label;
    }
  }
  data::write_png(folder_ / "labels" / name, labels);
  ordered_json outputs = ordered_json::array();
  for (const char* kind : {"labels", "masks", "overlays"}) {
    outputs.push_back((folder_ / kind / name).string());
  }
  picture.result["outputs"] = std::move(outputs);
  picture.result["shares"] = std::move(shares);
}

std::string LabelPredictor::in_words(const ordered_json& result) const {
  std::string text;
  for (const auto& entry : result.at("shares")) {
    text.append(text.empty() ? "" : ", ")
        .append(entry.at("label").get<std::string>())
        .append(" ")
        .append(fixed(100 * entry.at("share").get<double>(), 1))
        .append(" %");
  }
  return text;
}

}  // namespace nala::tools
