// Super-resolution: pixel losses, PSNR and SSIM.
#pragma once

#include <memory>

#include "data/datasets/super_resolution.h"
#include "eval/super_resolution.h"
#include "train/task.h"

namespace nala::train {

class UpscaleTask : public Task {
 public:
  UpscaleTask(const UpscaleConfig& config,
              const eval::ComparedAs& compared,
              std::shared_ptr<const data::SuperResolutionSets> evaluated);

  [[nodiscard]] StepLoss loss(const models::Outputs& outputs,
                              const data::Batch& batch) const override;
  /// Nine numbers per picture of the evaluated sets, in their order: whether it was evaluated, then
  /// psnr_y, ssim_y, psnr_rgb, ssim_rgb of the network and of bicubic.
  at::Tensor tally(models::Model& model,
                   data::Loader& loader,
                   at::Device device,
                   const std::function<void(int64_t images)>& on_progress) const override;
  /// Means over the pictures of each set, and of the first set alone at the top.
  [[nodiscard]] nlohmann::ordered_json metrics(const at::Tensor& tally) const override;
  /// pictures.csv: a line per picture.
  void write_details(const at::Tensor& tally, const std::filesystem::path& folder) const override;
  [[nodiscard]] std::string_view best_metric() const override { return "psnr_y"; }
  std::vector<report::Sample> samples(models::Model& model,
                                      const data::Dataset& dataset,
                                      const data::DataConfig& data,
                                      at::Device device,
                                      int64_t count) const override;

 private:
  [[nodiscard]] at::Tensor enlarged(models::Model& model, const at::Tensor& image) const;

  UpscaleConfig config_;
  eval::ComparedAs compared_;
  std::shared_ptr<const data::SuperResolutionSets> evaluated_;
};

/// Per sample the mean loss over its pixels: result and target (B, C, H, W), result (B) float32.
at::Tensor pixel_loss(const UpscaleConfig& config,
                      const at::Tensor& result,
                      const at::Tensor& target);

}  // namespace nala::train
