// One block of the network for inference: everything between its matrix products is done while the
// rows are in cache, and what stands before or after a product is folded into its weights.
#pragma once

#include <vector>

#include "inference/layers.h"

namespace nala::inference {

/// cos and sin of every token, (N, d); null for no rotation.
struct RotationTables {
  const float* cos = nullptr;
  const float* sin = nullptr;
};

/// The same of every row and of every column of a map, (H, d) and (W, d): a token turns its first
/// d/2 channels as its row says, its last as its column says.
struct PositionTables {
  RotationTables rows, columns;
};

struct AttentionForm {
  bool softmax = false;
  ops::cpu::Setup linear;  ///< its formula where it is not softmax; `d` always
  int64_t heads = 1;
  bool gate = true;
};

/// LayerNorm's affine part stands in the following layer's weights, LayerScale in the preceding
/// one's; the depthwise convolutions that are added to their input have 1 added to their middle.
struct BlockWeights {
  AttentionForm form;
  DepthwiseWeights cpe1, cpe2, ffn_depthwise;
  DepthwiseWeights lepe;  ///< empty for none
  PackedLinear qkvg, out_proj, fc1, fc2;
  std::vector<float> ln_weight, ln_bias;  ///< of the attention's own LayerNorm
};

/// Working memory of the blocks of one picture; grows to what the largest needs.
struct BlockMemory {
  std::vector<float> zeros;
  Buffer after_cpe, packed, after_attention, attention, feed_forward;
};

/// Runs a block on one picture. Several threads may each run their own picture.
class Block {
 public:
  Block(const ops::cpu::MachineKernels& kernels, BlockWeights weights)
      : kernels_(kernels), w_(std::move(weights)) {}

  /// in, out: (H W, C) float32, apart; tables: of the map's tokens.
  struct Maps {
    const float* in = nullptr;
    float* out = nullptr;
    MapSize size;
    RotationTables tables;
  };
  void run(const Maps& maps, BlockMemory& memory, Team& team) const;

  /// in, after_attention: (H W, C) float32, apart; out: the same, apart from after_attention alone.
  struct StreamedMaps {
    const float* in = nullptr;
    float* out = nullptr;
    float* after_attention = nullptr;  ///< working memory
    MapSize size;
    PositionTables positions;
  };
  /// What run() computes, up to rounding, in memory that beside these maps depends on their width
  /// alone: keys, values and queries exist for a band of rows at a time. The sums over all keys come
  /// first, so that keys and values are projected twice. Not of softmax attention.
  void run_streamed(const StreamedMaps& maps, BlockMemory& memory, Team& team) const;
  [[nodiscard]] bool can_stream() const { return !w_.form.softmax; }
  /// Rows of a band; two above and two below are projected again for the values' convolution.
  static int64_t rows_of_band(MapSize size);

 private:
  struct Run;
  struct ProjectedRows;
  [[nodiscard]] Run begin(const Maps& maps, BlockMemory& memory, Team& team) const;
  float* zeros(MapSize size, BlockMemory& memory) const;
  void project(const Run& run) const;
  [[nodiscard]] float* mean_states(const Run& run) const;
  void attend_linear(const Run& run) const;
  void attend_softmax(const Run& run) const;
  void pack_keys_and_values(const Run& run) const;
  void attend_softmax_head(
      const Run& run, int64_t head, ops::cpu::Range tokens, float* y, float* scratch) const;
  void finish_attention(const Run& run, ops::cpu::Range rows, float* y, Pieces scratch) const;
  void project_rows(const Run& run, ops::cpu::Range rows, const ProjectedRows& to) const;
  void sum_keys(const Run& run, const PositionTables& positions) const;
  void attend_band(const Run& run,
                   const PositionTables& positions,
                   float* states,
                   ops::cpu::Range rows,
                   float* scratch) const;
  [[nodiscard]] int64_t band_floats(const Run& run) const;
  void feed_forward_rolling(const Run& run) const;
  void roll(const Run& run, ops::cpu::Range rows, int64_t step, float* scratch) const;
  void feed_forward_whole(const Run& run) const;

  [[nodiscard]] ops::cpu::Sequence sequence(const Run& run, int64_t head, int64_t token) const;
  [[nodiscard]] int64_t channels() const { return w_.out_proj.columns(); }
  [[nodiscard]] int64_t hidden() const { return w_.fc1.columns(); }
  [[nodiscard]] int64_t packed() const { return w_.qkvg.columns(); }
  [[nodiscard]] int64_t state_floats() const;
  [[nodiscard]] ops::cpu::State state_at(float* floats) const;
  [[nodiscard]] bool half() const {
    return kernels_.layers->precision == ops::cpu::Precision::bfloat16;
  }

  ops::cpu::MachineKernels kernels_;
  BlockWeights w_;
};

}  // namespace nala::inference
