// Operations that map every value of a channel by a table, exactly as Pillow's ImageOps does.
#pragma once

#include "data/image.h"

namespace nala::data {

/// All change a picture of three channels in place and are bit-equal to Pillow 13
/// (its ImageOps).

/// Stretches each channel from its own [lowest, highest] value to [0, 255].
void auto_contrast(Image& image);
/// Makes each channel's histogram flat, as far as a table of values can.
void equalize(Image& image);
/// 255 - x.
void invert(Image& image);
/// Keeps the highest `bits` (0 ... 8) bits; 0 gives black, where Pillow 13 raises.
void posterize(Image& image, int bits);
/// x below `threshold` (0 ... 256), else 255 - x.
void solarize(Image& image, int threshold);
/// min(255, x + add) for x below 128, else x; `add` at least 0.
void solarize_add(Image& image, int add);

}  // namespace nala::data
