#include "data/transforms/segmentation.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "data/label_map.h"
#include "data/transforms/crop.h"
#include "data/transforms/opencv_resize.h"
#include "data/transforms/photometric.h"

namespace nala::data {
namespace {

constexpr int kMaxRedraws = 10;

ScaledSize scaled_by(const Image& image, const std::vector<int64_t>& scale, double ratio) {
  return scaled_size(image.width, image.height,
                     static_cast<int64_t>(static_cast<double>(scale[0]) * ratio),
                     static_cast<int64_t>(static_cast<double>(scale[1]) * ratio));
}

Window random_window(const Image& image, const DataConfig& config, Rng& rng) {
  Window window;
  window.width = std::min(image.width, config.width());
  window.height = std::min(image.height, config.height());
  window.top = rng.integer(image.height - window.height + 1);
  window.left = rng.integer(image.width - window.width + 1);
  return window;
}

// At least two classes, none with `cap` of the pixels that have one.
bool is_varied(const Image& labels, const Window& window, double cap) {
  std::array<int64_t, 256> counts{};
  for (int64_t y = window.top; y < window.top + window.height; ++y) {
    const uint8_t* row = labels.row(y) + window.left;
    for (int64_t x = 0; x < window.width; ++x) {
      ++counts[row[x]];
    }
  }
  counts[kIgnoredLabel] = 0;
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  const int64_t most = *std::max_element(counts.begin(), counts.end());
  return most < total && static_cast<double>(most) < cap * static_cast<double>(total);
}

}  // namespace

ScaledSize scaled_size(int64_t width, int64_t height, int64_t long_side, int64_t short_side) {
  const auto [low, high] = std::minmax(width, height);
  const double factor = std::min(static_cast<double>(long_side) / static_cast<double>(high),
                                 static_cast<double>(short_side) / static_cast<double>(low));
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(length) * factor + 0.5));
  };
  return {side(width), side(height)};
}

PicturePair augment_segmentation(const PicturePair& pair, const DataConfig& config, Rng& rng) {
  const SegmentationData& options = config.segmentation;
  const ScaledSize size =
      scaled_by(pair.image, options.scale, rng.uniform(options.ratio[0], options.ratio[1]));
  const Image labels = resize_nearest(pair.target, size.width, size.height);
  Window window = random_window(labels, config, rng);
  for (int redraw = 0; options.category_cap < 1 && redraw < kMaxRedraws &&
                       !is_varied(labels, window, options.category_cap);
       ++redraw) {
    window = random_window(labels, config, rng);
  }
  PicturePair out{crop(resize_linear(pair.image, size.width, size.height), window),
                  crop(labels, window)};
  if (rng.chance(options.flip)) {
    flip_horizontal(out.image);
    flip_horizontal(out.target);
  }
  if (options.photometric) {
    apply_photometric(draw_photometric(rng), out.image);
  }
  return out;
}

Image test_view(const Image& image, const SegmentationData& config, double ratio, bool flipped) {
  const ScaledSize size = scaled_by(image, config.scale, ratio);
  Image view = resize_linear(image, size.width, size.height);
  const int64_t multiple = config.eval.multiple;
  const auto up = [&](int64_t side) { return (side + multiple - 1) / multiple * multiple; };
  view = resize_linear(view, up(view.width), up(view.height));
  if (flipped) {
    flip_horizontal(view);
  }
  return view;
}

}  // namespace nala::data
