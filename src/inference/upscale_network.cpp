#include "inference/upscale_network.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nala::inference {

using ops::cpu::Product;

namespace {

/// Pixels of a convolution's piece of work.
constexpr int64_t kConvolvedPixels = 2048;

}  // namespace

UpscaleNetwork::UpscaleNetwork(const ops::cpu::MachineKernels& kernels, UpscaleWeights weights)
    : kernels_(kernels), first_(std::move(weights.first)), body_(std::move(weights.body)) {
  for (BlockGroupWeights& group : weights.groups) {
    Group made{.blocks = {}, .conv = std::move(group.conv)};
    for (BlockWeights& block : group.blocks) {
      made.blocks.emplace_back(kernels_, std::move(block));
    }
    groups_.push_back(std::move(made));
  }
}

const float* UpscaleNetwork::features(const UpscaleRun& picture,
                                      UpscaleMemory& memory,
                                      Team& team) const {
  const int64_t floats = picture.size.tokens() * channels();
  float* group_in = memory.maps[0].floats(floats);
  float* x = memory.maps[1].floats(floats);
  float* spare = memory.maps[2].floats(floats);
  const bool streamed = streams(picture.size);
  convolve(first_, picture.image, nullptr, group_in, picture, team);
  for (const Group& group : groups_) {
    const float* in = group_in;
    for (const Block& block : group.blocks) {
      if (streamed) {
        block.run_streamed({in, x, spare, picture.size, picture.positions}, memory.block, team);
      } else {
        if (in == x) {
          std::swap(x, spare);
        }
        block.run({in, x, picture.size, picture.tables}, memory.block, team);
      }
      in = x;
    }
    convolve(group.conv, x, group_in, spare, picture, team);
    std::swap(group_in, spare);
  }
  // The first convolution once more is cheaper than to keep its result.
  convolve(first_, picture.image, nullptr, x, picture, team);
  convolve(body_, group_in, x, spare, picture, team);
  return spare;
}

// A 3x3 convolution with what is added to it: products read rows of copies that have a border.
void UpscaleNetwork::convolve(const Convolution& convolution,
                              const float* in,
                              const float* residual,
                              float* out,
                              const UpscaleRun& picture,
                              Team& team) const {
  const MapSize size = picture.size;
  // That of the picture's few channels is exact.
  const ops::cpu::LayerKernels& kernels =
      &convolution == &first_ ? *kernels_.exact : *kernels_.layers;
  const bool half = kernels.precision == ops::cpu::Precision::bfloat16;
  const int64_t element = half ? sizeof(uint16_t) : sizeof(float);
  const int64_t pixel = convolution.in;
  const int64_t row = (size.width + 2) * pixel;
  const int64_t columns = convolution.weights.columns();
  const Cut bands(size.height, std::max<int64_t>(1, kConvolvedPixels / size.width));
  team.each(bands.count, (bands.most() + 2) * row, [&](int64_t band, float* scratch) {
    auto* const bordered = reinterpret_cast<std::byte*>(scratch);
    const int64_t top = bands.begin(band) - 1;
    for (int64_t y = top; y <= bands.end(band); ++y) {
      std::byte* const to = bordered + (y - top) * row * element;
      std::memset(to, 0, static_cast<size_t>(row * element));
      if (y < 0 || y >= size.height) {
        continue;
      }
      const float* const from = in + y * size.width * pixel;
      if (half) {
        kernels.to_bfloat16(from, size.width * pixel, reinterpret_cast<uint16_t*>(to) + pixel);
      } else {
        std::memcpy(to + pixel * element, from,
                    static_cast<size_t>(size.width * pixel) * sizeof(float));
      }
    }
    for (int64_t y = bands.begin(band); y < bands.end(band); ++y) {
      Product product =
          convolution.weights.product(bordered + (y - 1 - top) * row * element, pixel, size.width);
      product.pieces = 3;
      product.piece_stride = row;
      product.depth = 3 * pixel;
      product.residual = residual == nullptr ? nullptr : residual + y * size.width * columns;
      product.residual_stride = columns;
      product.out = out + y * size.width * columns;
      kernels.product(product);
    }
  });
}

}  // namespace nala::inference
