// The features of a super-resolution network for inference, picture by picture.
#pragma once

#include <array>
#include <vector>

#include "inference/block.h"
#include "inference/network.h"

namespace nala::inference {

struct BlockGroupWeights {
  std::vector<BlockWeights> blocks;
  Convolution conv;
};

struct UpscaleWeights {
  Convolution first, body;
  std::vector<BlockGroupWeights> groups;
};

/// What a picture is run in; one per thread.
struct UpscaleMemory {
  BlockMemory block;
  std::array<Buffer, 3> maps;
};

struct UpscaleRun {
  const float* image = nullptr;  ///< (H, W, channels), adjacent
  MapSize size;
  PositionTables positions;
  RotationTables tables;  ///< of all tokens, where streams() says no
};

/// Everything of models::SuperResolver but reconstruction and bicubic. Immutable once built:
/// several threads may run pictures at once.
class UpscaleNetwork {
 public:
  UpscaleNetwork(const ops::cpu::MachineKernels& kernels, UpscaleWeights weights);

  /// Whether pictures of this size go through the blocks in bands of rows: large ones do, whose
  /// activations would not stay in any cache.
  [[nodiscard]] bool streams(MapSize size) const {
    return is_large(size) && groups_.front().blocks.front().can_stream();
  }
  static bool is_large(MapSize size) { return size.tokens() > 16384; }
  /// The features, (H W, C), in `memory` until its next use. Beside three such maps it holds, where
  /// streams() says yes, what depends on the picture's width alone.
  const float* features(const UpscaleRun& picture, UpscaleMemory& memory, Team& team) const;
  [[nodiscard]] int64_t channels() const { return first_.weights.columns(); }

 private:
  struct Group {
    std::vector<Block> blocks;
    Convolution conv;
  };

  void convolve(const Convolution& convolution,
                const float* in,
                const float* residual,
                float* out,
                const UpscaleRun& picture,
                Team& team) const;

  ops::cpu::MachineKernels kernels_;
  Convolution first_, body_;
  std::vector<Group> groups_;
};

}  // namespace nala::inference
