#include "eval/enlarge.h"

#include <torch/torch.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace nala::eval {
namespace {

// Where tiles of `tile` pixels begin along a side, the first at 0, the last at the end.
std::vector<int64_t> tile_begins(int64_t side, const Tiling& tiling) {
  if (side <= tiling.tile) {
    return {0};
  }
  const int64_t step = tiling.tile - tiling.overlap;
  const int64_t last = (side - tiling.tile + step - 1) / step;
  std::vector<int64_t> begins;
  for (int64_t i = 0; i <= last; ++i) {
    begins.push_back(i * (side - tiling.tile) / last);
  }
  return begins;
}

// Where the tiles of one side lie, and how much each counts at every pixel of the result: 1,
// falling linearly over what is shared with a neighbour; the weights at a pixel sum to 1.
struct Side {
  int64_t length = 0;  // of a tile
  std::vector<int64_t> begins;
  std::vector<at::Tensor> weights;  // (s length) each
};

at::Tensor rise(int64_t pixels) {
  return (at::arange(pixels, at::kFloat) + 0.5) / static_cast<double>(pixels);  // (pixels)
}

Side make_side(int64_t side, const Tiling& tiling, int64_t scale) {
  Side tiles{std::min(side, tiling.tile), tile_begins(side, tiling), {}};
  at::Tensor total = at::zeros({side * scale});  // (s side)
  for (size_t i = 0; i < tiles.begins.size(); ++i) {
    at::Tensor weight = at::ones({tiles.length * scale});  // (s length)
    if (i > 0) {
      const int64_t shared = (tiles.begins[i - 1] + tiles.length - tiles.begins[i]) * scale;
      weight.narrow(0, 0, shared).mul_(rise(shared));
    }
    if (i + 1 < tiles.begins.size()) {
      const int64_t shared = (tiles.begins[i] + tiles.length - tiles.begins[i + 1]) * scale;
      weight.narrow(0, weight.size(0) - shared, shared).mul_(rise(shared).flip(0));
    }
    total.narrow(0, tiles.begins[i] * scale, weight.size(0)).add_(weight);
    tiles.weights.push_back(weight);
  }
  for (size_t i = 0; i < tiles.begins.size(); ++i) {
    tiles.weights[i] /= total.narrow(0, tiles.begins[i] * scale, tiles.weights[i].size(0));
  }
  return tiles;
}

}  // namespace

at::Tensor enlarge_tiled(const Enlarger& enlarge, const at::Tensor& image, const Tiling& tiling) {
  const int64_t height = image.size(2);
  const int64_t width = image.size(3);
  if (tiling.tile == 0 || std::max(height, width) <= tiling.tile) {
    return enlarge(image).to(at::kFloat).cpu();
  }
  if (tiling.overlap >= tiling.tile) {
    throw std::invalid_argument("enlarge_tiled: the overlap is not below the tile");
  }
  const Side down = make_side(height, tiling, tiling.scale);
  const Side across = make_side(width, tiling, tiling.scale);
  at::Tensor sum;  // (1, C, s H, s W)
  for (size_t row = 0; row < down.begins.size(); ++row) {
    for (size_t column = 0; column < across.begins.size(); ++column) {
      const at::Tensor tile = image.narrow(2, down.begins[row], down.length)
                                  .narrow(3, across.begins[column], across.length);
      const at::Tensor result = enlarge(tile).to(at::kFloat).cpu();
      if (!sum.defined()) {
        sum = at::zeros({1, result.size(1), height * tiling.scale, width * tiling.scale});
      }
      sum.narrow(2, down.begins[row] * tiling.scale, result.size(2))
          .narrow(3, across.begins[column] * tiling.scale, result.size(3))
          .addcmul_(result, down.weights[row].unsqueeze(1) * across.weights[column]);
    }
  }
  return sum;
}

at::Tensor enlarge_ensemble(const Enlarger& enlarge, const at::Tensor& image) {
  at::Tensor sum;  // (1, C, s H, s W)
  for (int element = 0; element < 8; ++element) {
    std::vector<int64_t> flips;
    if ((element & 1) != 0) {
      flips.push_back(3);
    }
    if ((element & 2) != 0) {
      flips.push_back(2);
    }
    const bool transpose = (element & 4) != 0;
    at::Tensor turned = image.flip(flips);
    turned = transpose ? turned.transpose(2, 3) : turned;
    at::Tensor result = enlarge(turned.contiguous()).to(at::kFloat).cpu();
    result = (transpose ? result.transpose(2, 3) : result).flip(flips);
    sum = sum.defined() ? sum.add_(result) : result.clone();
  }
  return sum / 8;
}

at::Tensor enlarge(const Enlarger& network,
                   const at::Tensor& image,
                   const Tiling& tiling,
                   bool self_ensemble) {
  const Enlarger tiled = [&](const at::Tensor& x) { return enlarge_tiled(network, x, tiling); };
  return self_ensemble ? enlarge_ensemble(tiled, image) : tiled(image);
}

}  // namespace nala::eval
