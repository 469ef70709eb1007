// Segmentation: cross-entropy per pixel, mean intersection over union.
#pragma once

#include <memory>

#include "data/datasets/ade20k.h"
#include "train/task.h"
#include "train/tasks/segment_config.h"

namespace nala::train {

class SegmentTask : public Task {
 public:
  /// To be evaluated on pictures of `evaluated`, as `data` says.
  SegmentTask(const SegmentConfig& config,
              const data::DataConfig& data,
              std::shared_ptr<const data::LabelledPictures> evaluated);

  [[nodiscard]] StepLoss loss(const models::Outputs& outputs,
                              const data::Batch& batch) const override;
  at::Tensor tally(models::Model& model,
                   data::Loader& loader,
                   at::Device device,
                   const std::function<void(int64_t images)>& on_progress) const override;
  /// miou, macc, aacc, dice, images, per_class[{index, name, iou, acc, dice}], all percent.
  [[nodiscard]] nlohmann::ordered_json metrics(const at::Tensor& tally) const override;
  /// per_class.csv, confusion.csv (truth by row), confusion.json, confusion.png.
  void write_details(const at::Tensor& tally, const std::filesystem::path& folder) const override;
  [[nodiscard]] std::string_view best_metric() const override { return "miou"; }
  std::vector<report::Sample> samples(models::Model& model,
                                      const data::Dataset& dataset,
                                      const data::DataConfig& data,
                                      at::Device device,
                                      int64_t count) const override;

 private:
  SegmentConfig config_;
  data::DataConfig data_;
  std::shared_ptr<const data::LabelledPictures> evaluated_;
};

/// The loss of one head's logits (B, K, h, w), resized bilinearly to targets (B, H, W) uint8, class
/// or 255: per picture (B) float32, whose mean is the batch's.
at::Tensor segmentation_loss(const SegmentConfig& config,
                             const at::Tensor& logits,
                             const at::Tensor& targets);

/// Which pixels online hard example mining keeps, (B, H, W) float32 of 0 and 1 (mmsegmentation's
/// OHEMPixelSampler): probability of the true class below the threshold, or among the B * kept
/// lowest. logits (B, K, H, W), targets (B, H, W) int64.
at::Tensor hard_pixels(const at::Tensor& logits,
                       const at::Tensor& targets,
                       int64_t kept,
                       double threshold);

/// Dice loss per picture (B): the mean over the classes of 1 - (2 sum p t + 1) / (sum p^2 + sum t^2
/// + 1), sums over the pixels that have a class; p softmax, t one-hot (mmsegmentation's DiceLoss).
at::Tensor dice_loss(const at::Tensor& logits, const at::Tensor& targets);

}  // namespace nala::train
