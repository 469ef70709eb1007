// Random erasing (Zhong, Zheng, Kang, Li, Yang 2017).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "data/augment_config.h"
#include "data/image.h"

namespace nala::data {

/// The rectangles erased from a width x height picture, drawn as timm does
/// (timm/data/random_erasing.py): with the configured probability 1 ... count of them, each with
/// ten tries of area U(area) / number and height / width exp(U(ln min_ratio, -ln min_ratio)), taken
/// when it is smaller than the picture on both sides.
std::vector<Window> draw_erased(const ErasingConfig& config,
                                int64_t width,
                                int64_t height,
                                Rng& rng);

/// Draws and fills the rectangles in a normalised picture, memory (H, W, 3) float32.
void erase_randomly(
    const ErasingConfig& config, int64_t width, int64_t height, float* values, Rng& rng);

/// Standard normal values (Box-Muller in float32, both of each pair).
void fill_normal(std::span<float> values, Rng& rng);

}  // namespace nala::data
