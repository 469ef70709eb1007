// The `model.segmentation` section: what turns the four maps of the backbone into labels.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace nala::models {

enum class SegmentationHead {
  semantic_fpn,  ///< feature pyramid and its sum (Kirillov et al. 2019)
  upernet,       ///< pyramid pooling, feature pyramid and its concatenation (Xiao et al. 2018)
};
std::span<const std::string_view> names_of(SegmentationHead);

/// Widths and parts that are not given follow mmsegmentation's configurations of the two heads.
struct SegmentationConfig {
  SegmentationHead head = SegmentationHead::semantic_fpn;
  int64_t neck_channels = 256;
  std::optional<int64_t> channels;
  std::vector<int64_t> pool_scales{1, 2, 3, 6};
  std::optional<bool> out_norm;
  std::optional<bool> auxiliary;
  int64_t auxiliary_channels = 256;
  double dropout = 0.1;

  [[nodiscard]] bool is_upernet() const { return head == SegmentationHead::upernet; }
  [[nodiscard]] int64_t head_channels() const {
    return channels.value_or(is_upernet() ? 512 : 128);
  }
  [[nodiscard]] bool normed_outputs() const { return out_norm.value_or(is_upernet()); }
  [[nodiscard]] bool has_auxiliary() const { return auxiliary.value_or(is_upernet()); }

  template <class V>
  static void fields(SegmentationConfig& c, V&& v) {
    v("head", c.head, "what reads the four maps of the backbone");
    v("neck_channels", c.neck_channels, "semantic_fpn: channels of the feature pyramid",
      config::between(1, 1 << 14));
    v("channels", c.channels, "channels of the head; not given: 128 (semantic_fpn), 512 (upernet)",
      config::between(1, 1 << 14));
    v("pool_scales", c.pool_scales, "upernet: sides of the pooled maps", config::between(1, 64));
    v("out_norm", c.out_norm,
      "LayerNorm of each map that leaves the backbone; not given: with upernet alone");
    v("auxiliary", c.auxiliary,
      "a second, convolutional head on the third map, for training; not given: with upernet alone");
    v("auxiliary_channels", c.auxiliary_channels, "channels of the second head",
      config::between(1, 1 << 14));
    v("dropout", c.dropout, "probability of dropping a channel before the classifier",
      config::between(0, 0.999));
  }
};

}  // namespace nala::models
