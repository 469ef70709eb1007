// Bicubic resizing as MATLAB's imresize does it: what the test pictures of super-resolution are
// made with.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace nala::data {

/// Two generations of imresize(picture, factor, 'bicubic'): cubic a = -0.5, its support stretched
/// by 1 / factor when reducing, height first, then width.
enum class MatlabForm {
  /// Newer releases, and BasicSR: mirrored at the border, rounded once at the end.
  matlab,
  /// Older releases: the border pixel repeated, each pass rounded half up to 8 bits. The published
  /// low-resolution test pictures (Set5, Set14, BSD100, Urban100) are made so.
  matlab_legacy
};
std::span<const std::string_view> names_of(MatlabForm);

/// A picture of float64 values, in the layout of Image.
struct RealImage {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 1;
  std::vector<double> values;  ///< height * width * channels
};

RealImage to_real(const Image& image);
/// Rounded half up and limited to 0 ... 255.
Image to_bytes(const RealImage& image);

/// The factor of a resize is multiply / divide, both >= 1; a side of n becomes
/// ceil(n multiply / divide).
struct MatlabResize {
  int64_t multiply = 1;
  int64_t divide = 1;
  bool repeat_border = false;    ///< else mirrored
  bool round_each_pass = false;  ///< half up, limited to 0 ... 255
};

/// All of the result.
RealImage matlab_resize(const RealImage& image, const MatlabResize& resize);

/// imresize(image, 1 / divisor) of an 8-bit picture; `window` picks the part of the result that is
/// computed (all of it: {0, 0, ceil(w / divisor), ceil(h / divisor)}), which costs in proportion.
Image matlab_reduce(const Image& image, int64_t divisor, MatlabForm form, const Window& window);
Image matlab_reduce(const Image& image, int64_t divisor, MatlabForm form);

}  // namespace nala::data
