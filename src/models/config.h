// Which model to build: the `model` section of a configuration, and the same with every size known.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "models/segmentation_config.h"
#include "models/super_resolution_config.h"

namespace nala::models {

constexpr int kStages = 4;

/// The rows of the zoo (models/zoo.h), and `custom` for sizes that the configuration states.
enum class ModelName {
  nalaformer_xt,
  nalaformer_t,
  nalaformer_s,
  nalaformer_b,
  nalaformer_l,
  nalaformer_t_r35,
  custom
};
std::span<const std::string_view> names_of(ModelName);

/// How the blocks of kind `linear` mix tokens. `softmax` makes them softmax attention as well.
enum class AttentionMap { relu_split, cosine, softmax, elu, relu, focused, pola };
std::span<const std::string_view> names_of(AttentionMap);

/// What the attention inside a block is.
enum class BlockKind { linear, softmax };
std::span<const std::string_view> names_of(BlockKind);

/// `model.attention`: the formula of the linear blocks, and the parts around it.
struct AttentionConfig {
  AttentionMap feature_map = AttentionMap::relu_split;
  bool norm_aware = true;
  double lambd = 3;
  double tau = 0.5;
  double alpha = 20;
  bool rope = true;
  bool gate = true;
  bool lepe = true;

  template <class V>
  static void fields(AttentionConfig& c, V&& v) {
    v("feature_map", c.feature_map, "attention of the linear blocks");
    v("norm_aware", c.norm_aware, "exponent of a query follows its norm; false holds it at lambd");
    v("lambd", c.lambd, "exponent lambda of keys, and scale of the queries' exponent",
      config::between(1, 16));
    v("tau", c.tau, "offset of the queries' exponent lambda (tau + tanh |q|)", config::above(0));
    v("alpha", c.alpha, "sharpness of the angle of the cosine map", config::above(0));
    v("rope", c.rope, "two-dimensional rotary position embedding");
    v("gate", c.gate, "SiLU gate before the output projection");
    v("lepe", c.lepe, "depthwise 5x5 convolution of the values, added to the attention");
  }
};

/// `model`: a row of the zoo and what to change of it.
struct ModelConfig {
  ModelName name = ModelName::nalaformer_xt;
  std::optional<std::vector<int64_t>> embed_dims;
  std::optional<std::vector<int64_t>> depths;
  std::optional<std::vector<int64_t>> heads;
  std::optional<double> mlp_ratio;
  /// Per stage `linear`/`softmax`, or `l`/`v` for all its blocks, or one letter per block ("lv").
  std::optional<std::vector<std::string>> stage_kinds;
  /// Initial value per stage; the empty list builds without LayerScale.
  std::optional<std::vector<double>> layer_scale;
  std::optional<int64_t> projection;
  std::optional<double> drop_path;
  int64_t num_classes = 0;
  int64_t in_channels = 3;
  AttentionConfig attention;
  SegmentationConfig segmentation;
  SuperResolutionConfig super_resolution;
  /// Of the attention operator; its key is `ops.implementation`, outside of `model`.
  std::string implementation = "auto";

  template <class V>
  static void fields(ModelConfig& c, V&& v) {
    v("name", c.name, "a size of the zoo, or custom; the sizes below override it");
    v("embed_dims", c.embed_dims, "channels of the four stages");
    v("depths", c.depths, "blocks of the four stages");
    v("heads", c.heads, "attention heads of the four stages");
    v("mlp_ratio", c.mlp_ratio, "width of the feed-forward network over its stage's channels",
      config::above(0));
    v("stage_kinds", c.stage_kinds,
      "attention of the four stages: linear, softmax, or one letter per block (l linear, v "
      "softmax)");
    v("layer_scale", c.layer_scale, "initial LayerScale of the four stages; [] for none");
    v("projection", c.projection, "width in front of the classifier", config::between(1, 1 << 20));
    v("drop_path", c.drop_path, "drop path rate of the last block", config::between(0, 0.999));
    v("num_classes", c.num_classes, "classes; 0: as many as the data has",
      config::between(0, 1 << 24));
    v("in_channels", c.in_channels, "channels of the pictures", config::between(1, 1024));
    v("attention", c.attention, "");
    v("segmentation", c.segmentation, "heads of a network of that task");
    v("super_resolution", c.super_resolution, "sizes of a network of that task");
  }
  static void check(const ModelConfig& c, const config::Where& fail);
};

/// A model with nothing left to decide, except `num_classes` where that is 0.
struct ResolvedModel {
  std::string name;
  std::array<int64_t, kStages> embed_dims{};
  std::array<int64_t, kStages> heads{};
  std::array<std::vector<BlockKind>, kStages> blocks;  ///< one entry per block
  double mlp_ratio = 0;
  std::optional<std::array<double, kStages>> layer_scale;
  int64_t projection = 0;
  double drop_path = 0;
  int64_t num_classes = 0;
  int64_t in_channels = 0;
  AttentionConfig attention;
  SegmentationConfig segmentation;
  SuperResolutionSizes super_resolution;
  std::string implementation = "auto";  ///< of the attention operator

  /// Channels of one head of a stage.
  [[nodiscard]] int64_t head_dim(int stage) const { return embed_dims[stage] / heads[stage]; }
  /// int(mlp_ratio * C).
  [[nodiscard]] int64_t ffn_dim(int stage) const;
  /// Drop path rate of every block in order: linear from 0 to `drop_path`, in float32 as the
  /// authors'.
  [[nodiscard]] std::vector<float> drop_path_rates() const;
};

/// Fills what the configuration leaves open from the zoo. Throws Error(config) naming the key when
/// a size is missing or impossible.
ResolvedModel resolve(const ModelConfig& config);

}  // namespace nala::models
