#include "data/segmentation_config.h"

#include <array>

namespace nala::data {

std::span<const std::string_view> names_of(SegmentationMode) {
  static constexpr std::array<std::string_view, 2> kNames{"whole", "slide"};
  return kNames;
}

void SegmentationEval::check(const SegmentationEval& c, const config::Where& fail) {
  for (const auto* pair : {&c.window, &c.stride}) {
    if (pair->empty() || pair->size() > 2) {
      fail(pair == &c.window ? "window" : "stride", "expected one number or two");
    }
  }
  if (c.stride.front() > c.window.front() || c.stride.back() > c.window.back()) {
    fail("stride", "larger than the window, so that pixels between windows would have no label");
  }
  if (c.ratios.empty()) {
    fail("ratios", "expected at least one number");
  }
}

void SegmentationData::check(const SegmentationData& c, const config::Where& fail) {
  if (c.scale.size() != 2) {
    fail("scale", "expected two numbers: the longer and the shorter side");
  }
  if (c.ratio.size() != 2 || c.ratio[0] > c.ratio[1]) {
    fail("ratio", "expected [smallest, largest]");
  }
  if (c.palette.size() % 3 != 0) {
    fail("palette", "expected three numbers per class, found " + std::to_string(c.palette.size()));
  }
}

}  // namespace nala::data
