#include "predict/upscaler.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "eval/enlarge.h"
#include "inference/fused_upscaler.h"

namespace nala::predict {
namespace {

constexpr double kMegabyte = 1e6;
constexpr int64_t kSmallestTile = 32;

// The colours in 0 ... 1, a grey one three times. (1, 3, H, W) float32
at::Tensor colours_of(const data::RawPicture& picture) {
  at::Tensor image = at::empty({picture.height, picture.width, 3});  // (H, W, 3)
  auto* out = image.data_ptr<float>();
  const auto white = static_cast<float>(picture.largest());
  const bool grey = picture.colours() == 1;
  for (size_t i = 0; i < picture.values.size(); i += static_cast<size_t>(picture.channels)) {
    for (size_t c = 0; c < 3; ++c) {
      *out++ = static_cast<float>(picture.values[i + (grey ? 0 : c)]) / white;
    }
  }
  return image.permute({2, 0, 1}).unsqueeze(0);
}

uint16_t rounded(double value, int largest) {
  return static_cast<uint16_t>(std::clamp(std::floor(value + 0.5), 0.0, double(largest)));
}

// The result (1, 3, s H, s W) in 0 ... 1 as a picture of the input's kind.
data::RawPicture to_raw(const at::Tensor& result, const data::RawPicture& input, int64_t scale) {
  data::RawPicture out{input.width * scale, input.height * scale, input.channels, input.bits, {}};
  out.values.resize(static_cast<size_t>(out.width * out.height * out.channels));
  const bool grey = input.colours() == 1;
  at::Tensor colours = grey ? result.mean(1, /*keepdim=*/true) : result;
  colours = colours.squeeze(0).permute({1, 2, 0}).contiguous();  // (s H, s W, colours)
  const auto* values = colours.const_data_ptr<float>();
  const data::RealImage alpha =
      input.has_alpha() ? enlarge_bicubic(input, input.colours(), 1, scale) : data::RealImage{};
  size_t to = 0;
  for (int64_t pixel = 0; pixel < out.width * out.height; ++pixel) {
    for (int64_t c = 0; c < input.colours(); ++c) {
      out.values[to++] = rounded(double{*values++} * input.largest(), input.largest());
    }
    if (input.has_alpha()) {
      out.values[to++] = rounded(alpha.values[static_cast<size_t>(pixel)], input.largest());
    }
  }
  return out;
}

}  // namespace

int64_t forward_bytes_per_pixel(const models::ResolvedModel& model) {
  const models::SuperResolutionSizes& sizes = model.super_resolution;
  // Inside a block: features of the whole, the block's input, and the packed projection with what
  // attention makes of it, or the feed-forward network.
  const int64_t attention = 9 * sizes.channels;
  const int64_t ffn = sizes.channels + 4 * sizes.ffn_dim();
  const int64_t block = 4 * sizes.channels + std::max(attention, ffn);
  // Inside a deep reconstruction: the last convolution's output, before and after its shuffle.
  const int64_t scale_squared = sizes.scale * sizes.scale;
  const bool deep = sizes.reconstruction == models::Reconstruction::deep;
  const int64_t reconstruction =
      deep ? 3 * sizes.channels + 2 * models::kDeepReconstructionChannels * scale_squared : 0;
  const int64_t floats = std::max(block, reconstruction) + 4 * model.in_channels * scale_squared;
  return floats * int64_t{sizeof(float)} * 11 / 10;
}

data::RealImage enlarge_bicubic(const data::RawPicture& picture,
                                int64_t first,
                                int64_t count,
                                int64_t scale) {
  data::RealImage part{picture.width, picture.height, count, {}};
  part.values.reserve(static_cast<size_t>(picture.width * picture.height * count));
  for (size_t i = 0; i < picture.values.size(); i += static_cast<size_t>(picture.channels)) {
    for (int64_t c = first; c < first + count; ++c) {
      part.values.push_back(picture.values[i + static_cast<size_t>(c)]);
    }
  }
  return data::matlab_resize(part, {.multiply = scale});
}

Upscaler::Upscaler(Network network, const UpscaleOptions& options)
    : network_(std::move(network)),
      options_(options),
      model_(models::resolve(network_.recipe.model)),
      scale_(model_.super_resolution.scale) {
  if (!options_.tile && !fits(kSmallestTile, kSmallestTile)) {
    throw Error(ErrorKind::usage, "--memory: too little for a tile of " +
                                      std::to_string(kSmallestTile) + " pixels a side");
  }
}

bool Upscaler::fits(int64_t height, int64_t width) const {
  const bool streams =
      network_.fused && model_.attention.feature_map != models::AttentionMap::softmax;
  const int64_t bytes = streams ? inference::fused_upscaler_bytes(model_, {height, width})
                                : height * width * forward_bytes_per_pixel(model_);
  return static_cast<double>(bytes) <= options_.memory_mb * kMegabyte;
}

int64_t Upscaler::tile_of(int64_t height, int64_t width) const {
  const int64_t longer = std::max(height, width);
  if (options_.tile) {
    return *options_.tile < longer ? *options_.tile : 0;
  }
  if (fits(height, width)) {
    return 0;
  }
  int64_t largest = longer;
  while (largest > kSmallestTile && !fits(std::min(largest, height), std::min(largest, width))) {
    --largest;
  }
  // As many tiles in smaller ones, which share no more than they have to.
  const int64_t overlap = std::min(options_.overlap, largest - 1);
  const int64_t tiles = (longer - overlap + largest - overlap - 1) / (largest - overlap);
  const int64_t tile = (longer + (tiles - 1) * overlap + tiles - 1) / tiles;
  return std::max(tile, std::min(largest, kSafeTile));
}

at::Tensor Upscaler::enlarged(const at::Tensor& image) const {
  eval::Tiling tiling{.tile = tile_of(image.size(2), image.size(3)), .scale = scale_};
  tiling.overlap = std::min(options_.overlap, std::max<int64_t>(tiling.tile - 1, 0));
  const auto whole = [&](const at::Tensor& x) { return (*network_.model)(x.to(network_.device)); };
  return eval::enlarge(whole, image, tiling, options_.self_ensemble);
}

data::RawPicture Upscaler::operator()(const data::RawPicture& picture) const {
  const at::NoGradGuard no_grad;
  return to_raw(enlarged(colours_of(picture)), picture, scale_);
}

}  // namespace nala::predict
