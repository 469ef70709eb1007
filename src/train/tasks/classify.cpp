#include "train/tasks/classify.h"

#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number_text.h"
#include "data/image_io.h"
#include "data/transforms/pipeline.h"
#include "data/transforms/resize.h"
#include "eval/evaluator.h"

namespace nala::train {
namespace {

constexpr int64_t kThumbnailSide = 128;

// At most kThumbnailSide on the longer side; small pictures as they are, without loss.
report::Panel thumbnail_of(const data::Image& image) {
  const int64_t longer = std::max(image.width, image.height);
  if (longer <= kThumbnailSide) {
    return {.image = data::encode_png(image), .mime = "image/png"};
  }
  const auto scaled = [&](int64_t side) {
    return std::max<int64_t>(1, side * kThumbnailSide / longer);
  };
  return {.image = data::encode_jpeg(data::resize(image, scaled(image.width), scaled(image.height),
                                                  data::Interpolation::bicubic)),
          .mime = "image/jpeg"};
}

}  // namespace

at::Tensor soft_targets(const data::Batch& batch, int64_t classes, double label_smoothing) {
  const double off = label_smoothing / static_cast<double>(classes);
  const double on = 1.0 - label_smoothing + off;
  const auto options = at::TensorOptions(at::kFloat).device(batch.labels.device());
  const auto one_hot = [&](const at::Tensor& labels) {
    return at::full({labels.size(0), classes}, off, options)  // (B, K)
        .scatter_(1, labels.unsqueeze(1), on);
  };
  at::Tensor targets = one_hot(batch.labels);
  if (batch.other_labels.defined()) {
    const at::Tensor weight = batch.label_weights.unsqueeze(1);  // (B, 1)
    targets = targets * weight + one_hot(batch.other_labels) * (1.0 - weight);
  }
  return targets;
}

at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return -(targets * at::log_softmax(logits.to(at::kFloat), 1)).sum(1);
}

ClassifyTask::ClassifyTask(const Recipe& recipe, std::shared_ptr<const data::Dataset> evaluated)
    : label_smoothing_(recipe.train.label_smoothing), evaluated_(std::move(evaluated)) {
  if (!recipe.data.real_labels.value.empty()) {
    real_labels_ = eval::RealLabels::read(recipe.data.real_labels.value);
  }
}

StepLoss ClassifyTask::loss(const models::Outputs& outputs, const data::Batch& batch) const {
  const at::Tensor targets = soft_targets(batch, outputs.main.size(1), label_smoothing_);
  const at::Tensor per_sample = soft_cross_entropy(outputs.main, targets);  // (B)
  return {.total = per_sample.mean(), .per_sample = per_sample.detach()};
}

at::Tensor ClassifyTask::tally(models::Model& model,
                               data::Loader& loader,
                               at::Device device,
                               const std::function<void(int64_t images)>& on_progress) const {
  if (!real_labels_) {
    return eval::evaluate_classification(std::ref(model), loader, device, on_progress)
        .sums();  // (4)
  }
  eval::RealAccuracy real(*real_labels_);
  const auto add = [&](const data::Batch& batch, const at::Tensor& logits) {
    const at::Tensor best = logits.argmax(1).cpu();  // (B)
    for (size_t i = 0; i < batch.indices.size(); ++i) {
      real.add(evaluated_->path(batch.indices[i]), best[static_cast<int64_t>(i)].item<int64_t>());
    }
  };
  const at::Tensor sums =
      eval::evaluate_classification(std::ref(model), loader, device, on_progress, add).sums();
  return at::cat(
      {sums, at::tensor({static_cast<double>(real.images()), static_cast<double>(real.right())},
                        at::kDouble)});  // (6)
}

nlohmann::ordered_json ClassifyTask::metrics(const at::Tensor& tally) const {
  const auto accuracy = eval::Accuracy::from_sums(tally.slice(0, 0, 4));
  if (accuracy.images() == 0) {
    throw Error(ErrorKind::data, "no picture of the evaluation set could be read");
  }
  nlohmann::ordered_json metrics{{"top1", accuracy.top1()},
                                 {"top5", accuracy.top5()},
                                 {"loss", accuracy.loss()},
                                 {"images", accuracy.images()}};
  if (tally.numel() == 6) {
    const double images = tally[4].item<double>();
    metrics["real"] = images > 0 ? 100 * tally[5].item<double>() / images : 0.0;
    metrics["real_images"] = tally[4].item<int64_t>();
  }
  return metrics;
}

std::vector<report::Sample> ClassifyTask::samples(models::Model& model,
                                                  const data::Dataset& dataset,
                                                  const data::DataConfig& data,
                                                  at::Device device,
                                                  int64_t count) const {
  const at::NoGradGuard no_grad;
  std::vector<report::Sample> samples;
  count = std::min(count, dataset.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = i * dataset.size() / count;
    data::Sample sample;
    try {
      sample = dataset.load(index);
    } catch (const Error&) {
      continue;  // counted and reported by the evaluation itself
    }
    const at::Tensor image = data::prepare_for_eval(sample.image, data).to(device);
    const at::Tensor probabilities = at::softmax(model(image).to(at::kFloat), 1).squeeze(0);  // (K)
    const auto [probability, label] = probabilities.max(0);
    const auto& classes = dataset.classes();
    const std::string& truth = classes.at(static_cast<size_t>(sample.label));
    const int64_t predicted = label.item<int64_t>();
    report::Sample& entry = samples.emplace_back();
    entry.panels.push_back(thumbnail_of(sample.image));
    entry.panels.back().alt = "a picture of class " + truth;
    entry.title = classes.at(static_cast<size_t>(predicted));
    entry.right = predicted == sample.label;
    entry.note = fixed(100 * probability.item<double>(), 1) + " %";
    entry.note += *entry.right ? "" : "; is " + truth;
  }
  return samples;
}

}  // namespace nala::train
