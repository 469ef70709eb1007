// The backbone for inference, picture by picture: stem, blocks, down-sampling, and the classifier's
// head.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "inference/block.h"

namespace nala::inference {

/// A 3x3 convolution padded by 1 with BatchNorm folded in; depth in the order (ky, kx, channel).
struct Convolution {
  PackedLinear weights;
  int64_t in = 0;
  int64_t stride = 1;
  bool gelu = false;

  [[nodiscard]] MapSize output(MapSize size) const {
    return {(size.height - 1) / stride + 1, (size.width - 1) / stride + 1};
  }
};

struct StageWeights {
  std::vector<BlockWeights> blocks;
  std::optional<Convolution> downsample;
};

/// Linear, BatchNorm folded in, SiLU, then the mean over all tokens.
struct PooledProjection {
  PackedLinear weights;
};

struct NetworkWeights {
  std::vector<Convolution> stem;
  std::vector<StageWeights> stages;
  std::optional<PooledProjection> pooled;
};

/// What a picture is run in; one per thread.
struct NetworkMemory {
  BlockMemory block;
  std::array<Buffer, 2> maps;
  std::array<Buffer, 2> stem;
};

/// Where a picture comes from and where its results go.
struct PictureRun {
  const float* image = nullptr;  ///< (H, W, channels), adjacent
  MapSize size;
  const RotationTables* tables = nullptr;  ///< one entry per stage
  float* const* maps = nullptr;  ///< one per stage: (H_i, W_i, C_i), or null where not wanted
  float* pooled = nullptr;       ///< (projection), where there is one and it is wanted
};

/// Immutable once built: several threads may run pictures at once.
class Network {
 public:
  Network(const ops::cpu::MachineKernels& kernels, NetworkWeights weights);

  void run(const PictureRun& picture, NetworkMemory& memory, Team& team) const;
  /// Sizes of the stages' maps.
  [[nodiscard]] std::vector<MapSize> sizes(MapSize image) const;
  [[nodiscard]] int64_t channels(size_t stage) const { return channels_[stage]; }
  [[nodiscard]] const std::optional<PooledProjection>& pooled() const { return pooled_; }

 private:
  struct Stage {
    std::vector<Block> blocks;
    std::optional<Convolution> downsample;
  };

  void stem(const PictureRun& picture, float* out, NetworkMemory& memory, Team& team) const;
  void downsample(
      const Convolution& convolution, const float* in, MapSize size, float* out, Team& team) const;
  void pool(const float* map, int64_t tokens, float* out, Team& team) const;
  [[nodiscard]] bool half() const {
    return kernels_.layers->precision == ops::cpu::Precision::bfloat16;
  }

  ops::cpu::MachineKernels kernels_;
  std::vector<Convolution> stem_;
  std::vector<Stage> stages_;
  std::vector<int64_t> channels_;
  std::optional<PooledProjection> pooled_;
};

}  // namespace nala::inference
