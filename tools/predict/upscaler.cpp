#include "predict/upscaler.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "data/image_io.h"
#include "data/transforms/matlab_resize.h"
#include "eval/enlarge.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr double kMegabyte = 1e6;
constexpr int64_t kSmallestTile = 32;
constexpr int64_t kComparedGap = 8;  // white pixels between the two pictures

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

// MATLAB's bicubic enlargement of some channels, in units of the stored values.
data::RealImage bicubic(const data::RawPicture& picture,
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
      input.has_alpha() ? bicubic(input, input.colours(), 1, scale) : data::RealImage{};
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

// Two pictures of one size as 8-bit colours, side by side.
data::Image side_by_side(const data::RealImage& left,
                         const data::RawPicture& right,
                         double largest) {
  data::Image image(2 * right.width + kComparedGap, right.height, 3);
  std::ranges::fill(image.pixels, uint8_t{255});
  const auto put = [&](int64_t x, int64_t y, int64_t c, double value) {
    image.row(y)[3 * x + c] = static_cast<uint8_t>(rounded(value * 255 / largest, 255));
  };
  const int64_t colours = right.colours();
  for (int64_t y = 0; y < right.height; ++y) {
    for (int64_t x = 0; x < right.width; ++x) {
      const auto pixel = static_cast<size_t>(y * right.width + x);
      for (int64_t c = 0; c < 3; ++c) {
        const auto from = static_cast<size_t>(colours == 1 ? 0 : c);
        put(x, y, c, left.values[pixel * static_cast<size_t>(colours) + from]);
        put(right.width + kComparedGap + x, y, c,
            right.values[pixel * static_cast<size_t>(right.channels) + from]);
      }
    }
  }
  return image;
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

Upscaler::Upscaler(const train::Weights& weights,
                   std::shared_ptr<models::Model> model,
                   at::Device device,
                   const PredictOptions& options)
    : model_(std::move(model)),
      device_(device),
      options_(options),
      scale_(weights.recipe.model.super_resolution.scale),
      whole_pixels_(static_cast<int64_t>(
          options.memory_mb * kMegabyte /
          static_cast<double>(forward_bytes_per_pixel(models::resolve(weights.recipe.model))))) {
  if (!options_.output) {
    throw Error(ErrorKind::usage, "--output: needed, the enlarged pictures are written there");
  }
  if (!options_.tile && whole_pixels_ < kSmallestTile * kSmallestTile) {
    throw Error(ErrorKind::usage, "--memory: too little for a tile of " +
                                      std::to_string(kSmallestTile) + " pixels a side");
  }
}

std::string Upscaler::name_of(const std::string& path) const {
  return std::filesystem::path(path).stem().string() + "_x" + std::to_string(scale_);
}

void Upscaler::add(const std::string& path) {
  data::RawPicture picture = data::read_raw(path);
  if (!written_.insert(name_of(path)).second) {
    throw Error(ErrorKind::data, path + ": " + name_of(path) +
                                     ".png is already another input's; give this one a run with "
                                     "another --output");
  }
  waiting_.emplace_back(path, std::move(picture));
}

at::Tensor Upscaler::enlarged(const at::Tensor& image) const {
  const eval::Enlarger whole = [&](const at::Tensor& x) {
    return model_->forward(x.to(device_), {}).main;
  };
  eval::Tiling tiling{.scale = scale_};
  if (options_.tile) {
    tiling.tile = *options_.tile;
  } else if (image.size(2) * image.size(3) > whole_pixels_) {
    tiling.tile = static_cast<int64_t>(std::sqrt(static_cast<double>(whole_pixels_)));
  }
  tiling.overlap = std::min(options_.overlap, std::max<int64_t>(tiling.tile - 1, 0));
  const eval::Enlarger tiled = [&](const at::Tensor& x) {
    return eval::enlarge_tiled(whole, x, tiling);
  };
  return options_.self_ensemble ? eval::enlarge_ensemble(tiled, image) : tiled(image);
}

ordered_json Upscaler::write(const std::string& path, const data::RawPicture& picture) {
  const data::RawPicture result = to_raw(enlarged(colours_of(picture)), picture, scale_);
  const std::filesystem::path file = *options_.output / (name_of(path) + ".png");
  write_file(file, data::encode_png(result));
  ordered_json outputs{file.string()};
  if (options_.compare) {
    const std::filesystem::path compared = *options_.output / (name_of(path) + "_compare.png");
    data::write_png(compared, side_by_side(bicubic(picture, 0, picture.colours(), scale_), result,
                                           picture.largest()));
    outputs.push_back(compared.string());
  }
  return {{"path", path}, {"outputs", std::move(outputs)}};
}

std::vector<ordered_json> Upscaler::run() {
  const at::NoGradGuard no_grad;
  std::vector<ordered_json> results;
  for (const auto& [path, picture] : waiting_) {
    results.push_back(write(path, picture));
  }
  waiting_.clear();
  return results;
}

std::string Upscaler::in_words(const ordered_json& prediction) const {
  std::string text;
  for (const auto& file : prediction.at("outputs")) {
    text.append(text.empty() ? "" : ", ").append(file.get<std::string>());
  }
  return text;
}

}  // namespace nala::tools
