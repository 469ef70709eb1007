#include "train/tasks/upscale.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "data/image_io.h"
#include "data/image_tensor.h"
#include "data/samples/super_resolution.h"
#include "eval/enlarge.h"

namespace nala::train {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kPerPicture = 9;  // UpscaleTask::tally()
constexpr int64_t kOfNetwork = 1;   // where its four numbers begin
constexpr int64_t kOfBicubic = 5;
constexpr std::array<const char*, 4> kScoreNames = {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"};
// Side of the part of a picture that the report shows.
constexpr int64_t kShownSide = 192;

// (1, C, H, W) values in 0 ... 1 as (C, H, W) float64 in 0 ... 255.
at::Tensor to_pixels(const at::Tensor& values) {
  return values.squeeze(0).to(at::kDouble) * 255;
}

void put(const eval::PictureScores& scores, double* to) {
  to[0] = scores.psnr_y;
  to[1] = scores.ssim_y;
  to[2] = scores.psnr_rgb;
  to[3] = scores.ssim_rgb;
}

// Means of four columns of the rows (pictures, 9) that were evaluated.
ordered_json means_of(const at::Tensor& rows, int64_t first) {
  ordered_json object{{"images", rows.size(0)}};
  for (size_t i = 0; i < kScoreNames.size(); ++i) {
    object[kScoreNames[i]] = rows.select(1, first + static_cast<int64_t>(i)).mean().item<double>();
  }
  return object;
}

// The middle of a picture (C, H, W) in 0 ... 255 as a PNG.
report::Panel panel_of(const at::Tensor& picture, const std::string& caption) {
  const int64_t height = std::min(picture.size(1), kShownSide);
  const int64_t width = std::min(picture.size(2), kShownSide);
  const at::Tensor part = picture.narrow(1, (picture.size(1) - height) / 2, height)
                              .narrow(2, (picture.size(2) - width) / 2, width);
  const at::Tensor bytes =
      (part + 0.5).floor().clamp(0, 255).to(at::kByte).permute({1, 2, 0});  // (H, W, C)
  return {.image = data::encode_png(data::image_of(bytes)),
          .mime = "image/png",
          .caption = caption,
          .alt = "part of the picture: " + caption};
}

}  // namespace

at::Tensor pixel_loss(const UpscaleConfig& config,
                      const at::Tensor& result,
                      const at::Tensor& target) {
  const at::Tensor difference = result.to(at::kFloat) - target;  // (B, C, H, W)
  const at::Tensor per_pixel =
      config.loss == UpscaleLoss::l1
          ? difference.abs()
          : (difference.square() + config.charbonnier_eps * config.charbonnier_eps).sqrt();
  return per_pixel.mean({1, 2, 3});
}

UpscaleTask::UpscaleTask(const UpscaleConfig& config,
                         const eval::ComparedAs& compared,
                         std::shared_ptr<const data::SuperResolutionSets> evaluated)
    : config_(config), compared_(compared), evaluated_(std::move(evaluated)) {}

StepLoss UpscaleTask::loss(const models::Outputs& outputs, const data::Batch& batch) const {
  const at::Tensor per_sample =
      pixel_loss(config_, outputs.main, batch.targets.permute({0, 3, 1, 2}));  // (B)
  return {.total = per_sample.mean(), .per_sample = per_sample.detach()};
}

at::Tensor UpscaleTask::enlarged(models::Model& model, const at::Tensor& image) const {
  const eval::Tiling tiling{
      .tile = config_.tile, .overlap = config_.overlap, .scale = compared_.scale};
  return eval::enlarge(std::ref(model), image, tiling, config_.self_ensemble);
}

at::Tensor UpscaleTask::tally(models::Model& model,
                              data::Loader& loader,
                              at::Device device,
                              const std::function<void(int64_t images)>& on_progress) const {
  const at::NoGradGuard no_grad;
  at::Tensor sums = at::zeros({evaluated_->size(), kPerPicture}, at::kDouble);  // (pictures, 9)
  int64_t done = 0;
  loader.start(0);
  while (const auto batch = loader.next()) {
    double* row = sums[batch->indices.front()].data_ptr<double>();
    const at::Tensor truth = to_pixels(batch->targets.permute({0, 3, 1, 2})).round();  // (C, H, W)
    const at::Tensor result = to_pixels(enlarged(model, batch->images.to(device)));
    const at::Tensor low = to_pixels(batch->images).round();  // (3, H / s, W / s)
    row[0] = 1;
    put(eval::compare_pictures(result, truth, compared_), row + kOfNetwork);
    // A grey picture's three channels are the same.
    put(eval::bicubic_scores(low.narrow(0, 0, truth.size(0)), truth, compared_), row + kOfBicubic);
    on_progress(++done);
  }
  return sums.flatten();
}

nlohmann::ordered_json UpscaleTask::metrics(const at::Tensor& tally) const {
  const at::Tensor rows = tally.view({-1, kPerPicture});
  ordered_json sets = ordered_json::object();
  ordered_json bicubic = ordered_json::object();
  int64_t images = 0;
  const std::vector<std::string>& names = evaluated_->names();
  for (size_t set = 0; set < names.size(); ++set) {
    std::vector<int64_t> chosen;
    for (int64_t i = 0; i < rows.size(0); ++i) {
      if (evaluated_->set_of(i) == set && rows[i][0].item<double>() > 0) {
        chosen.push_back(i);
      }
    }
    if (!chosen.empty()) {
      const at::Tensor part = rows.index_select(0, at::tensor(chosen));  // (pictures, 9)
      sets[names[set]] = means_of(part, kOfNetwork);
      bicubic[names[set]] = means_of(part, kOfBicubic);
      images += std::ssize(chosen);
    }
  }
  if (!sets.contains(names.front())) {
    throw Error(ErrorKind::data, "no picture of " + names.front() + " could be read");
  }
  ordered_json object = sets[names.front()];
  object["images"] = images;
  object["protocol"] = names_of(compared_.protocol)[static_cast<size_t>(compared_.protocol)];
  object["sets"] = std::move(sets);
  object["bicubic"] = ordered_json{{"protocol", object["protocol"]}, {"sets", std::move(bicubic)}};
  return object;
}

void UpscaleTask::write_details(const at::Tensor& tally,
                                const std::filesystem::path& folder) const {
  const at::Tensor rows = tally.view({-1, kPerPicture});
  std::string text = "set,picture";
  for (const char* prefix : {"", "bicubic_"}) {
    for (const char* name : kScoreNames) {
      text.append(",").append(prefix).append(name);
    }
  }
  for (int64_t i = 0; i < rows.size(0); ++i) {
    if (rows[i][0].item<double>() == 0) {
      continue;
    }
    text.append("\n").append(evaluated_->names()[evaluated_->set_of(i)]);
    text.append(",").append(std::filesystem::path(evaluated_->path(i)).stem().string());
    for (int64_t column = 1; column < kPerPicture; ++column) {
      const bool is_psnr = (column - 1) % 2 == 0;
      text.append(",").append(fixed(rows[i][column].item<double>(), is_psnr ? 4 : 5));
    }
  }
  write_file(folder / "pictures.csv", text + "\n");
}

std::vector<report::Sample> UpscaleTask::samples(models::Model& model,
                                                 const data::Dataset& dataset,
                                                 const data::DataConfig& data,
                                                 at::Device device,
                                                 int64_t count) const {
  const at::NoGradGuard no_grad;
  const data::SuperResolutionSamples pictures(evaluated_, data, data::Split::val);
  std::vector<report::Sample> samples;
  count = std::min(count, dataset.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = i * dataset.size() / count;
    Rng unused(Stream::augment, {0});
    data::MadeSample made;
    try {
      made = pictures.make(index, unused, {});
    } catch (const Error&) {
      continue;  // counted and reported by the evaluation itself
    }
    const at::Tensor image = made.image.permute({2, 0, 1}).unsqueeze(0);  // (1, 3, h, w)
    const at::Tensor truth = to_pixels(made.target.permute({2, 0, 1}).unsqueeze(0)).round();
    const at::Tensor result = to_pixels(enlarged(model, image.to(device)));
    const eval::PictureScores scores = eval::compare_pictures(result, truth, compared_);
    const int64_t scale = compared_.scale;
    const at::Tensor nearest =
        to_pixels(image).repeat_interleave(scale, 1).repeat_interleave(scale, 2);
    samples.push_back({.panels = {panel_of(nearest, "low resolution"), panel_of(result, "network"),
                                  panel_of(truth, "high resolution")},
                       .title = std::filesystem::path(evaluated_->path(index)).stem().string(),
                       .note = fixed(scores.psnr_y, 2) + " dB",
                       .right = std::nullopt});
  }
  return samples;
}

}  // namespace nala::train
