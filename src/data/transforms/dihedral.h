// The eight orientations of a square.
#pragma once

#include "core/rng.h"
#include "data/image.h"

namespace nala::data {

/// Mirrored left-right, then upside down, then transposed.
struct Dihedral {
  bool mirror = false;
  bool flip = false;
  bool transpose = false;

  /// Element 0 ... 7; 0 changes nothing.
  static Dihedral numbered(int64_t element) {
    return {(element & 1) != 0, (element & 2) != 0, (element & 4) != 0};
  }
  /// Each of the eight with the same probability; one draw.
  static Dihedral drawn(Rng& rng) { return numbered(rng.integer(8)); }
};

/// Any number of channels.
Image oriented(const Image& image, const Dihedral& orientation);

}  // namespace nala::data
