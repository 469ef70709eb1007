// The `data.super_resolution` part of the configuration.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "data/transforms/matlab_resize.h"

namespace nala::data {

/// Where low-resolution pictures come from.
enum class LowResolution {
  automatic,  ///< the set's own where it has some, else made
  given,      ///< the set's own; a set without is an error
  made        ///< made of the high-resolution pictures
};
std::span<const std::string_view> names_of(LowResolution);

/// What a result is compared with, and on which values.
enum class SuperResolutionProtocol {
  /// 8-bit low-resolution pictures, result rounded to 8 bits, its luma not rounded: BasicSR, SwinIR
  /// and most papers since EDSR.
  A,
  /// Low-resolution pictures made in floating point, luma of both sides rounded to 8 bits: the
  /// SRCNN and VDSR papers.
  C
};
std::span<const std::string_view> names_of(SuperResolutionProtocol);

/// Sets of data.name=super_resolution.
struct SuperResolutionData {
  int64_t scale = 2;
  std::vector<std::string> train_sets;
  std::vector<std::string> val_sets;
  LowResolution low_resolution = LowResolution::automatic;
  MatlabForm form = MatlabForm::matlab;
  bool dihedral = true;
  SuperResolutionProtocol protocol = SuperResolutionProtocol::A;
  int64_t cache_mb = 2048;

  template <class V>
  static void fields(SuperResolutionData& c, V&& v) {
    v("scale", c.scale, "how many times larger the result is, in each direction",
      config::between(2, 4));
    v("train_sets", c.train_sets, "sets below the root to train on; []: data.train");
    v("val_sets", c.val_sets,
      "sets below the root to evaluate on, the first decides which checkpoint is best; []: "
      "data.val");
    v("low_resolution", c.low_resolution,
      "low-resolution pictures: the set's own where it has some, given, or made");
    v("form", c.form, "how they are made: MATLAB's bicubic imresize of newer or older releases");
    v("dihedral", c.dihedral, "training patches in one of the eight orientations, drawn");
    v("protocol", c.protocol,
      "of evaluation: A (8-bit pictures, as BasicSR) or C (floating point, as SRCNN and VDSR)");
    v("cache_mb", c.cache_mb, "decoded pictures kept in memory, in megabytes; 0: none",
      config::at_least(0));
  }
};

}  // namespace nala::data
