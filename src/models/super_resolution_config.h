// The `model.super_resolution` part of the configuration, and the same with every size known.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace nala::models {

/// Rows of the table of sizes, and `custom` for sizes that the configuration states.
enum class SuperResolutionSize {
  light,  ///< 0.87 M parameters: 4 groups of 4 blocks of 64 channels
  base,   ///< 10.9 M parameters: 6 groups of 4 blocks of 192 channels
  custom
};
std::span<const std::string_view> names_of(SuperResolutionSize);

/// How features become pixels.
enum class Reconstruction {
  direct,  ///< one convolution to 3 s^2 channels and a pixel shuffle (EDSR-light, SwinIR-light)
  deep     ///< to 64 channels, then convolution and shuffle by 2 or 3 until s is reached (EDSR)
};
std::span<const std::string_view> names_of(Reconstruction);

/// `model.super_resolution`: a row of the table and what to change of it. The rest of the network
/// (attention, channels of the pictures, drop path) is said where the other models say it.
struct SuperResolutionConfig {
  SuperResolutionSize size = SuperResolutionSize::light;
  int64_t scale = 0;
  std::optional<int64_t> channels;
  std::optional<std::vector<int64_t>> groups;
  std::optional<int64_t> heads;
  std::optional<double> mlp_ratio;
  std::optional<double> layer_scale;
  std::optional<Reconstruction> reconstruction;

  template <class V>
  static void fields(SuperResolutionConfig& c, V&& v) {
    v("size", c.size, "a size of the table, or custom; the sizes below override it");
    v("scale", c.scale,
      "how many times larger the result is, in each direction: 2, 3 or 4; 0: as "
      "data.super_resolution.scale says",
      config::between(0, 4));
    v("channels", c.channels, "channels of every block", config::between(4, 1 << 16));
    v("groups", c.groups, "blocks of each group; a group ends in a convolution and a shortcut",
      config::between(1, 1000));
    v("heads", c.heads, "attention heads of every block", config::between(1, 1 << 16));
    v("mlp_ratio", c.mlp_ratio, "width of the feed-forward network over the channels",
      config::between(0.01, 64));
    v("layer_scale", c.layer_scale, "initial LayerScale; not given: none");
    v("reconstruction", c.reconstruction,
      "direct: one convolution and a pixel shuffle; deep: several of them, of 64 channels");
  }
  static void check(const SuperResolutionConfig& c, const config::Where& fail);
};

/// A super-resolution network with nothing left to decide, except `scale` where that is 0.
struct SuperResolutionSizes {
  SuperResolutionSize size = SuperResolutionSize::light;  ///< what it started from
  int64_t scale = 0;
  int64_t channels = 0;
  std::vector<int64_t> groups;  ///< blocks of each
  int64_t heads = 1;
  double mlp_ratio = 2;
  std::optional<double> layer_scale;
  double drop_path = 0;  ///< rate of the last block
  Reconstruction reconstruction = Reconstruction::direct;

  [[nodiscard]] int64_t head_dim() const { return channels / heads; }
  /// int(mlp_ratio * channels), at least 1.
  [[nodiscard]] int64_t ffn_dim() const;
  [[nodiscard]] int64_t blocks() const;
  /// Factors of the successive pixel shuffles; their product is the scale.
  [[nodiscard]] std::vector<int64_t> shuffles() const;
};

/// Channels between the shuffles of a deep reconstruction (EDSR's and SwinIR's).
constexpr int64_t kDeepReconstructionChannels = 64;

/// Fills what the configuration leaves open from the table; drop path is said elsewhere. Throws
/// Error(config) naming the key when a size is missing or impossible.
SuperResolutionSizes resolve(const SuperResolutionConfig& config);

}  // namespace nala::models
