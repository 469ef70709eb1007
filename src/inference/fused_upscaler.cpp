#include "inference/fused_upscaler.h"

#include <torch/torch.h>

#include <algorithm>

#include "ops/rope.h"

namespace nala::inference {
namespace {

/// Pixels of the input whose reconstruction is computed at once, and the rows above and below that
/// any reconstruction looks at.
constexpr int64_t kReconstructedPixels = 8192;
constexpr int64_t kReconstructionMargin = 4;

int64_t rows_of_reconstruction(MapSize size) {
  return std::max(2 * kReconstructionMargin, kReconstructedPixels / size.width);
}

RotationTables pointers(ops::Rotation& rotation) {
  rotation = {rotation.cos.contiguous(), rotation.sin.contiguous()};
  return {rotation.cos.const_data_ptr<float>(), rotation.sin.const_data_ptr<float>()};
}

// The rotary tables of a picture, with what holds them.
struct Rotations {
  Rotations(const at::Tensor& angle, MapSize size, bool whole) {
    if (!angle.defined()) {
      return;
    }
    if (whole) {
      all = ops::rope_tables(angle, size.height, size.width);
      tables = pointers(all);
      return;
    }
    by_row = ops::rope_tables(angle, size.height, 1);
    by_column = ops::rope_tables(angle, 1, size.width);
    positions = {pointers(by_row), pointers(by_column)};
  }

  ops::Rotation all, by_row, by_column;
  RotationTables tables;
  PositionTables positions;
};

class FusedUpscaler : public models::Model {
 public:
  FusedUpscaler(std::shared_ptr<models::SuperResolver> whole,
                const models::ResolvedModel& model,
                const ops::cpu::MachineKernels& kernels)
      : whole_(std::move(whole)),
        network_(kernels, folded_upscale_weights(State(*whole_), model, kernels)),
        angle_(model.attention.rope ? State(*whole_)["RoPE.angle"] : at::Tensor()),
        scale_(model.super_resolution.scale) {}

  models::Outputs forward(const at::Tensor& images, const models::ForwardContext&) override {
    const at::Tensor x = images.to(at::kFloat);
    const MapSize size{x.size(2), x.size(3)};
    const Rotations rotations(angle_, size, !network_.streams(size));
    at::Tensor result = whole_->bicubic(x);                                  // (B, C, s H, s W)
    const at::Tensor pixels = (x - 0.5).permute({0, 2, 3, 1}).contiguous();  // (B, H, W, C)
    UpscaleMemory memory;
    Team team(true);
    for (int64_t i = 0; i < x.size(0); ++i) {
      const float* const features =
          network_.features({.image = pixels.const_data_ptr<float>() + i * pixels.stride(0),
                             .size = size,
                             .positions = rotations.positions,
                             .tables = rotations.tables},
                            memory, team);
      add_reconstruction(features, size, result[i]);
    }
    return {.main = result, .auxiliary = {}};
  }

 private:
  // to: (C, s H, s W).
  void add_reconstruction(const float* features, MapSize size, const at::Tensor& to) const {
    const int64_t channels = network_.channels();
    const Cut bands(size.height, rows_of_reconstruction(size));
    for (int64_t band = 0; band < bands.count; ++band) {
      const int64_t begin = bands.begin(band);
      const int64_t rows = bands.end(band) - begin;
      const int64_t top = std::max<int64_t>(0, begin - kReconstructionMargin);
      const int64_t read = std::min(size.height, bands.end(band) + kReconstructionMargin) - top;
      const at::Tensor part =  // (1, C, rows, W), channels-last
          at::from_blob(const_cast<float*>(features) + top * size.width * channels,
                        {1, read, size.width, channels}, at::kFloat)
              .permute({0, 3, 1, 2});
      const at::Tensor made = whole_->reconstruct(part)[0];  // (C, s rows, s W)
      to.narrow(1, begin * scale_, rows * scale_)
          .add_(made.narrow(1, (begin - top) * scale_, rows * scale_));
    }
  }

  std::shared_ptr<models::SuperResolver> whole_;
  UpscaleNetwork network_;
  at::Tensor angle_;  // (d/2), or undefined
  int64_t scale_;
};

}  // namespace

int64_t fused_upscaler_bytes(const models::ResolvedModel& model, MapSize size) {
  const models::SuperResolutionSizes& sizes = model.super_resolution;
  const int64_t channels = sizes.channels;
  const int64_t scale = sizes.scale;
  // Three maps; the picture twice; the result, and what bicubic has half way.
  const int64_t per_pixel = 3 * channels + model.in_channels * (2 + scale + scale * scale);
  // After the first convolution, projected, and the rotary tables.
  const int64_t per_token = 5 * channels + 2 * sizes.head_dim();
  int64_t block = size.tokens() * (per_token + channels);
  if (UpscaleNetwork::is_large(size)) {
    const int64_t rows = Cut(size.height, Block::rows_of_band(size)).most() + 4;
    block = rows * size.width * per_token * at::get_num_threads();
  }
  const bool deep = sizes.reconstruction == models::Reconstruction::deep;
  const int64_t widest = deep ? models::kDeepReconstructionChannels : model.in_channels;
  const int64_t rows =
      Cut(size.height, rows_of_reconstruction(size)).most() + 2 * kReconstructionMargin;
  const int64_t reconstruction = rows * size.width * 3 * widest * scale * scale;
  const int64_t floats = per_pixel * size.tokens() + std::max(block, reconstruction);
  return floats * int64_t{sizeof(float)} * 11 / 10;
}

std::shared_ptr<models::Model> fused_upscaler(std::shared_ptr<models::SuperResolver> whole,
                                              const models::ResolvedModel& model,
                                              const ops::cpu::MachineKernels& kernels) {
  return std::make_shared<FusedUpscaler>(std::move(whole), model, kernels);
}

}  // namespace nala::inference
