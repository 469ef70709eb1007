// Cutting large pictures into parts that decode quickly.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "data/datasets/super_resolution.h"
#include "data/transforms/matlab_resize.h"

namespace nala::data {

/// In high-resolution pixels, both multiples of the scale.
struct SubimageOptions {
  int64_t size = 480;  ///< side of a part
  int64_t step = 240;  ///< from one to the next; the last one ends at the border
  int64_t scale = 2;
  MatlabForm form = MatlabForm::matlab;  ///< where low-resolution pictures are made
};

/// Writes folder/<set>/HR/<name>_s001.png ... and the parts of the low-resolution pictures (the
/// set's own, or the whole reduced picture's) as folder/<set>/LR_bicubic/X<s>/<name>_s001x<s>.png.
/// Pictures smaller than a part stay whole. Gives the number of parts. Throws Error(config) for
/// sizes that are no multiples, Error(file), ImageError. Windows as BasicSR's extract_subimages.
int64_t write_subimages(const SuperResolutionSets& sets,
                        const std::filesystem::path& folder,
                        const SubimageOptions& options,
                        const std::function<void(int64_t done)>& progress = {});

}  // namespace nala::data
