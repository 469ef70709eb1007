#include "train/tasks/segment.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/number_text.h"
#include "data/image_tensor.h"
#include "data/label_drawing.h"
#include "data/label_map.h"
#include "data/transforms/opencv_resize.h"
#include "data/transforms/segmentation.h"
#include "eval/metrics/confusion.h"
#include "eval/segmentation/confusion_files.h"
#include "eval/segmentation/label_picture.h"

namespace nala::train {
namespace {

constexpr int64_t kReportLongSide = 320;
constexpr int64_t kReportShortSide = 240;

report::Panel panel_of(const data::Image& image, const std::string& caption, bool photograph) {
  return {.image = photograph ? data::encode_jpeg(image) : data::encode_png(image),
          .mime = photograph ? "image/jpeg" : "image/png",
          .caption = caption,
          .alt = caption};
}

// The colours and names of the classes in either map, those of the first before others.
std::vector<std::pair<std::string, std::string>> legend_of(const data::Image& truth,
                                                           const data::Image& prediction,
                                                           const data::LabelledPictures& pictures) {
  std::vector<std::pair<std::string, std::string>> legend;
  std::vector<bool> told(pictures.classes().size());
  for (const data::Image* labels : {&truth, &prediction}) {
    for (const data::ClassPixels& present : data::classes_in(*labels, told.size())) {
      if (!told[present.index]) {
        const data::Rgb& colour = pictures.colours()[present.index];
        std::array<char, 8> text{};
        std::snprintf(text.data(), text.size(), "#%02x%02x%02x", colour[0], colour[1], colour[2]);
        legend.emplace_back(text.data(), pictures.classes()[present.index]);
      }
      told[present.index] = true;
    }
  }
  return legend;
}

}  // namespace

SegmentTask::SegmentTask(const SegmentConfig& config,
                         const data::DataConfig& data,
                         std::shared_ptr<const data::LabelledPictures> evaluated)
    : config_(config), data_(data), evaluated_(std::move(evaluated)) {
  const size_t classes = evaluated_->classes().size();
  if (!config_.class_weights.empty() && config_.class_weights.size() != classes) {
    throw Error(ErrorKind::config,
                "segmentation.class_weights: " + std::to_string(config_.class_weights.size()) +
                    " numbers, but the data has " + std::to_string(classes) + " classes");
  }
}

at::Tensor hard_pixels(const at::Tensor& logits,
                       const at::Tensor& targets,
                       int64_t kept,
                       double threshold) {
  const at::NoGradGuard no_grad;
  const at::Tensor valid = targets.ne(data::kIgnoredLabel);  // (B, H, W)
  const at::Tensor index = targets.masked_fill(valid.logical_not(), 0).unsqueeze(1);
  const at::Tensor probability = at::softmax(logits, 1).gather(1, index).squeeze(1);
  const at::Tensor sorted = std::get<0>(probability.masked_select(valid).sort());  // (n)
  if (sorted.numel() == 0) {
    return at::zeros_like(probability);
  }
  const int64_t last = std::min(kept * logits.size(0), sorted.numel() - 1);
  const double limit = std::max(sorted[last].item<double>(), threshold);
  return probability.lt(limit).logical_and(valid).to(at::kFloat);
}

at::Tensor dice_loss(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor valid = targets.ne(data::kIgnoredLabel);  // (B, H, W)
  const at::Tensor one_hot = at::zeros_like(logits).scatter_(
      1, targets.masked_fill(valid.logical_not(), 0).unsqueeze(1), 1);  // (B, K, H, W)
  const at::Tensor mask = valid.unsqueeze(1).to(logits.scalar_type());
  const at::Tensor p = at::softmax(logits, 1) * mask;
  const at::Tensor t = one_hot * mask;
  const at::Tensor both = (p * t).sum({2, 3});                       // (B, K)
  const at::Tensor squares = (p.square() + t.square()).sum({2, 3});  // (B, K)
  return (1 - (2 * both + 1) / (squares + 1)).mean(1);
}

at::Tensor segmentation_loss(const SegmentConfig& config,
                             const at::Tensor& logits,
                             const at::Tensor& targets) {
  const at::Tensor labels = targets.to(at::kLong);  // (B, H, W)
  const at::Tensor scores = at::upsample_bilinear2d(
      logits.to(at::kFloat), {labels.size(1), labels.size(2)}, false);  // (B, K, H, W)
  at::Tensor weights;
  if (!config.class_weights.empty()) {
    weights = at::tensor(config.class_weights).to(scores.options());  // (K)
  }
  at::Tensor pixels = at::cross_entropy_loss(scores, labels, weights, at::Reduction::None,
                                             data::kIgnoredLabel);  // (B, H, W)
  if (config.ohem_kept > 0) {
    pixels = pixels * hard_pixels(scores, labels, config.ohem_kept, config.ohem_threshold);
  }
  at::Tensor loss = pixels.mean({1, 2});  // (B)
  if (config.average_valid) {
    // The mean over the batch has to be the mean over its pixels that have a class.
    const at::Tensor share = labels.ne(data::kIgnoredLabel).to(at::kFloat).mean();
    loss = loss / share.clamp_min(1e-12);
  }
  return config.dice_weight > 0 ? loss + config.dice_weight * dice_loss(scores, labels) : loss;
}

StepLoss SegmentTask::loss(const models::Outputs& outputs, const data::Batch& batch) const {
  at::Tensor per_sample = segmentation_loss(config_, outputs.main, batch.targets);  // (B)
  if (outputs.auxiliary.defined() && config_.auxiliary_weight > 0) {
    per_sample = per_sample + config_.auxiliary_weight *
                                  segmentation_loss(config_, outputs.auxiliary, batch.targets);
  }
  return {.total = per_sample.mean(), .per_sample = per_sample.detach()};
}

at::Tensor SegmentTask::tally(models::Model& model,
                              data::Loader& loader,
                              at::Device device,
                              const std::function<void(int64_t images)>& on_progress) const {
  const at::NoGradGuard no_grad;
  eval::Confusion confusion(std::ssize(evaluated_->classes()));
  loader.start(0, 0);
  while (const auto batch = loader.next()) {
    for (int64_t i = 0; i < batch->images.size(0); ++i) {
      const data::Image image = data::image_of(batch->images[i].permute({1, 2, 0}));
      confusion.add(eval::label_picture(std::ref(model), image, data_, device), batch->targets[i]);
      confusion.count_picture();
    }
    if (on_progress) {
      on_progress(confusion.images());
    }
  }
  return confusion.sums();
}

nlohmann::ordered_json SegmentTask::metrics(const at::Tensor& tally) const {
  const auto& names = evaluated_->classes();
  const auto confusion = eval::Confusion::from_sums(tally, std::ssize(names));
  if (confusion.images() == 0) {
    throw Error(ErrorKind::data, "no picture of the evaluation set could be read");
  }
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  const auto scores = confusion.per_class();
  for (size_t i = 0; i < scores.size(); ++i) {
    classes.push_back({{"index", i},
                       {"name", names[i]},
                       {"iou", scores[i].iou},
                       {"acc", scores[i].acc},
                       {"dice", scores[i].dice}});
  }
  return {{"miou", confusion.miou()},     {"macc", confusion.macc()},
          {"aacc", confusion.aacc()},     {"dice", confusion.mdice()},
          {"images", confusion.images()}, {"per_class", std::move(classes)}};
}

void SegmentTask::write_details(const at::Tensor& tally,
                                const std::filesystem::path& folder) const {
  const auto& names = evaluated_->classes();
  eval::write_confusion(eval::Confusion::from_sums(tally, std::ssize(names)), names, folder);
}

std::vector<report::Sample> SegmentTask::samples(models::Model& model,
                                                 const data::Dataset& dataset,
                                                 const data::DataConfig& data,
                                                 at::Device device,
                                                 int64_t count) const {
  const auto* pictures = dynamic_cast<const data::LabelledPictures*>(&dataset);
  if (pictures == nullptr) {
    return {};
  }
  std::vector<report::Sample> samples;
  count = std::min(count, dataset.size());
  for (int64_t i = 0; i < count; ++i) {
    data::PicturePair pair;
    try {
      pair = pictures->load_pair(i * dataset.size() / count);
    } catch (const Error&) {
      continue;  // counted and reported by the evaluation itself
    }
    const at::Tensor labels = eval::label_picture(std::ref(model), pair.image, data, device);
    eval::Confusion confusion(std::ssize(pictures->classes()));
    confusion.add(labels, at::from_blob(pair.target.pixels.data(),
                                        {pair.target.height, pair.target.width}, at::kByte));
    const data::Image predicted = data::image_of(labels);
    const data::ScaledSize size =
        data::scaled_size(pair.image.width, pair.image.height, kReportLongSide, kReportShortSide);
    const auto small = [&](const data::Image& map) {
      return data::colour_labels(data::resize_nearest(map, size.width, size.height),
                                 pictures->colours());
    };
    report::Sample& entry = samples.emplace_back();
    entry.panels = {
        panel_of(data::resize_linear(pair.image, size.width, size.height), "picture", true),
        panel_of(small(pair.target), "truth", false),
        panel_of(small(predicted), "prediction", false)};
    entry.note = fixed(confusion.aacc(), 1) + " % of the pixels right";
    entry.legend = legend_of(pair.target, predicted, *pictures);
  }
  return samples;
}

}  // namespace nala::train
