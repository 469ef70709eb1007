// Running a super-resolution network over pictures: in tiles, and over eight orientations.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace nala::eval {

/// (1, C, H, W) -> (1, C, s H, s W).
using Enlarger = std::function<at::Tensor(const at::Tensor&)>;

struct Tiling {
  int64_t tile = 0;      ///< side of a tile in low-resolution pixels; 0: the whole picture at once
  int64_t overlap = 16;  ///< low-resolution pixels that neighbours share, below `tile`
  int64_t scale = 2;     ///< of the network
};

/// The network on tiles of one size, spread evenly so that neighbours share at least
/// `overlap` pixels; there their results are mixed with weights that fall linearly to the tile's
/// edge. Result on the CPU, float32. Throws std::invalid_argument for an overlap not below
/// the tile.
at::Tensor enlarge_tiled(const Enlarger& enlarge, const at::Tensor& image, const Tiling& tiling);

/// The mean of the results for the eight orientations of the picture, each turned back.
/// Source: EDSR's geometric self-ensemble (Lim et al. 2017).
at::Tensor enlarge_ensemble(const Enlarger& enlarge, const at::Tensor& image);

/// The network in tiles, with `self_ensemble` of every orientation.
at::Tensor enlarge(const Enlarger& network,
                   const at::Tensor& image,
                   const Tiling& tiling,
                   bool self_ensemble);

}  // namespace nala::eval
