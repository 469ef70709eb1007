// Random brightness, contrast, saturation and hue.
#pragma once

#include <vector>

#include "core/rng.h"
#include "data/image.h"

namespace nala::data {

/// torchvision's ColorJitter: brightness, contrast and saturation each by a factor uniform in
/// [max(0, 1 - s), 1 + s], hue by a turn uniform in [-s, s], in a random order of all four.
/// `strengths`: one number (the first three alike, no hue), three, four, or none.
void jitter_colors(Image& image, const std::vector<double>& strengths, Rng& rng);

}  // namespace nala::data
