// The `data.segmentation` part of the configuration.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace nala::data {

/// How the network is run over a picture that is evaluated.
enum class SegmentationMode {
  whole,  ///< all of it at once
  slide   ///< windows that overlap, their logits averaged
};
std::span<const std::string_view> names_of(SegmentationMode);

/// Test-time views of a picture; the defaults are mmsegmentation's single-scale test of ADE20K.
struct SegmentationEval {
  SegmentationMode mode = SegmentationMode::whole;
  std::vector<int64_t> window{512};
  std::vector<int64_t> stride{341};
  std::vector<double> ratios{1.0};
  bool flip = false;
  int64_t multiple = 1;

  template <class V>
  static void fields(SegmentationEval& c, V&& v) {
    v("mode", c.mode, "whole: the picture at once; slide: in windows that overlap");
    v("window", c.window, "slide: size of a window, one number or [height, width]",
      config::between(1, 8192));
    v("stride", c.stride, "slide: from window to window, one number or [down, right]",
      config::between(1, 8192));
    v("ratios", c.ratios,
      "sizes at which a picture is seen, times `scale`; the probabilities of several are averaged",
      config::between(0.05, 16));
    v("flip", c.flip, "see every size mirrored too");
    v("multiple", c.multiple, "stretch the resized picture up to sides that are multiples of this",
      config::between(1, 1024));
  }
  static void check(const SegmentationEval& c, const config::Where& fail);
};

/// Sets of pictures and label maps. The transforms follow mmsegmentation's for ADE20K; crops have
/// data.image_size.
struct SegmentationData {
  std::vector<int64_t> scale{2048, 512};
  std::vector<double> ratio{0.5, 2.0};
  double category_cap = 0.75;
  double flip = 0.5;
  bool photometric = true;
  bool reduce_zero_label = true;
  std::vector<int64_t> palette;
  SegmentationEval eval;

  template <class V>
  static void fields(SegmentationData& c, V&& v) {
    v("scale", c.scale,
      "a picture is resized, keeping its proportions, so that the longer side is at most the "
      "first and the shorter at most the second",
      config::between(1, 16384));
    v("ratio", c.ratio, "training: smallest and largest factor of `scale`, drawn for each picture",
      config::between(0.05, 16));
    v("category_cap", c.category_cap,
      "training: a crop in which one class has this share is drawn again, up to ten times; 1: off",
      config::between(0, 1));
    v("flip", c.flip, "training: probability of mirroring left and right", config::between(0, 1));
    v("photometric", c.photometric,
      "training: random brightness, contrast, saturation and hue, each with probability one half");
    v("reduce_zero_label", c.reduce_zero_label,
      "label 0 means no class and class k is stored as k + 1 (ADE20K); false: class k is k. Label "
      "255 means no class in both");
    v("palette", c.palette,
      "red, green, blue of every class, 0 ... 255, one after the other; []: the class list's",
      config::between(0, 255));
    v("eval", c.eval, "evaluation and prediction");
  }
  static void check(const SegmentationData& c, const config::Where& fail);
};

}  // namespace nala::data
