// What a Description is written with: operations on a map, and the block that all networks share.
#pragma once

#include <cstdint>
#include <string>

#include "models/config.h"
#include "models/describe.h"

namespace nala::models {

/// Longest side that a description takes.
constexpr int64_t kMaxDescribedSide = 1 << 15;

struct MapSize {
  int64_t height = 0;
  int64_t width = 0;
  [[nodiscard]] int64_t count() const { return height * width; }
  [[nodiscard]] MapSize halved() const { return {(height + 1) / 2, (width + 1) / 2}; }
};

struct ConvShape {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;
  int64_t groups = 1;
  bool bias = true;
};

/// Appends operations, each on a map of `size`.
class DescriptionWriter {
 public:
  /// Throws Error(config) for sides below 1 or above kMaxDescribedSide.
  explicit DescriptionWriter(MapSize input);

  void conv(const std::string& name, const ConvShape& conv);
  void linear(const std::string& name, int64_t in, int64_t out);
  void layer_norm(const std::string& name, int64_t channels);
  void batch_norm(const std::string& name, int64_t channels);
  /// A product between tokens, `per_token` multiply-adds each.
  void matmul(const std::string& name, int64_t channels, int64_t per_token);
  /// Counts nothing; keeps its output.
  void elementwise(const std::string& name,
                   const char* operation,
                   int64_t channels,
                   int64_t parameters = 0);
  /// To a map of size `to`.
  void average_pool(const std::string& name, int64_t channels, MapSize to = {1, 1});
  /// To a map of size `to`, bilinear (4 multiply-adds per output) or of the nearest pixel (1).
  void resize(const std::string& name, int64_t channels, MapSize to, bool bilinear);

  MapSize size;
  std::string prefix;  ///< put in front of the names
  Description description;

 private:
  // `layer` with output (C) and multiply-adds of one position.
  void add(Layer layer);
};

/// The sizes of a block (models/block.h).
struct BlockShape {
  int64_t dim = 0;
  int64_t heads = 1;
  int64_t ffn_dim = 0;
  BlockKind kind = BlockKind::linear;
  AttentionConfig attention;
  bool layer_scale = false;
};

/// The operations of one block, whose module is called `name`.
void describe_block(const BlockShape& block, const std::string& name, DescriptionWriter& writer);

/// The operations of stem and stages; gives the sizes of the stages' maps.
std::array<MapSize, kStages> describe_backbone(const ResolvedModel& model,
                                               DescriptionWriter& writer);

/// The operations of a segmentation network; an auxiliary head, which evaluation leaves out, counts
/// its parameters alone.
void describe_segmentation(const ResolvedModel& model, DescriptionWriter& writer);

/// The operations of a super-resolution network; `writer.size` is the low-resolution picture's.
void describe_super_resolution(const ResolvedModel& model, DescriptionWriter& writer);

}  // namespace nala::models
