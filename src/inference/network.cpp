#include "inference/network.h"

#include <algorithm>
#include <cstring>

namespace nala::inference {

using ops::cpu::Product;

namespace {

constexpr int64_t kTokens = 96;

// A map with a border of zeros, in which a row of the product is a run of pixels.
struct Bordered {
  std::byte* data = nullptr;
  int64_t row = 0;    // bytes
  int64_t pixel = 0;  // bytes
  [[nodiscard]] std::byte* at(int64_t y, int64_t x) const {
    return data + (y + 1) * row + (x + 1) * pixel;
  }
};

Bordered bordered(Buffer& buffer, MapSize size, int64_t pixel_bytes) {
  const int64_t row = (size.width + 2) * pixel_bytes;
  const int64_t bytes = (size.height + 2) * row;
  const Bordered map{buffer.reserve(static_cast<size_t>(bytes)), row, pixel_bytes};
  std::memset(map.data, 0, static_cast<size_t>(row));
  std::memset(map.data + (size.height + 1) * row, 0, static_cast<size_t>(row));
  for (int64_t y = 0; y < size.height; ++y) {
    std::memset(map.at(y, -1), 0, static_cast<size_t>(pixel_bytes));
    std::memset(map.at(y, size.width), 0, static_cast<size_t>(pixel_bytes));
  }
  return map;
}

}  // namespace

Network::Network(const ops::cpu::MachineKernels& kernels, NetworkWeights weights)
    : kernels_(kernels), stem_(std::move(weights.stem)), pooled_(std::move(weights.pooled)) {
  for (StageWeights& stage : weights.stages) {
    channels_.push_back(stage.blocks.empty() ? stem_.back().weights.columns()
                                             : stage.blocks.front().out_proj.columns());
    Stage made{.blocks = {}, .downsample = std::move(stage.downsample)};
    for (BlockWeights& block : stage.blocks) {
      made.blocks.emplace_back(kernels_, std::move(block));
    }
    stages_.push_back(std::move(made));
  }
}

std::vector<MapSize> Network::sizes(MapSize image) const {
  for (const Convolution& convolution : stem_) {
    image = convolution.output(image);
  }
  std::vector<MapSize> sizes;
  for (const Stage& stage : stages_) {
    sizes.push_back(image);
    image = stage.downsample ? stage.downsample->output(image) : image;
  }
  return sizes;
}

void Network::run(const PictureRun& picture, NetworkMemory& memory, Team& team) const {
  const std::vector<MapSize> all = sizes(picture.size);
  size_t which = 0;
  float* x = memory.maps[which].floats(all.front().tokens() * channels_.front());
  stem(picture, x, memory, team);
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    const int64_t floats = all[stage].tokens() * channels_[stage];
    for (const Block& block : stages_[stage].blocks) {
      which = 1 - which;
      float* const out = memory.maps[which].floats(floats);
      block.run({x, out, all[stage], picture.tables[stage]}, memory.block, team);
      x = out;
    }
    if (picture.maps != nullptr && picture.maps[stage] != nullptr) {
      std::memcpy(picture.maps[stage], x, static_cast<size_t>(floats) * sizeof(float));
    }
    if (stages_[stage].downsample) {
      which = 1 - which;
      float* const out = memory.maps[which].floats(all[stage + 1].tokens() * channels_[stage + 1]);
      downsample(*stages_[stage].downsample, x, all[stage], out, team);
      x = out;
    }
  }
  if (picture.pooled != nullptr) {
    pool(x, all.back().tokens(), picture.pooled, team);
  }
}

// Products read rows of a bordered map in place; the first, of the picture's few channels, is
// exact.
void Network::stem(const PictureRun& picture, float* out, NetworkMemory& memory, Team& team) const {
  MapSize size = picture.size;
  const int64_t channels = stem_.front().in;
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  Bordered in = bordered(memory.stem[0], size, channels * kFloat);
  for (int64_t y = 0; y < size.height; ++y) {
    std::memcpy(in.at(y, 0), picture.image + y * size.width * channels,
                static_cast<size_t>(size.width * channels * kFloat));
  }
  for (size_t i = 0; i < stem_.size(); ++i) {
    const Convolution& convolution = stem_[i];
    const MapSize made = convolution.output(size);
    const bool last = i + 1 == stem_.size();
    const int64_t columns = convolution.weights.columns();
    const ops::cpu::LayerKernels& kernels = i == 0 ? *kernels_.exact : *kernels_.layers;
    const bool half_in = kernels.precision == ops::cpu::Precision::bfloat16;
    const int64_t in_element = half_in ? sizeof(uint16_t) : sizeof(float);
    const int64_t out_element = half() && !last ? sizeof(uint16_t) : sizeof(float);
    Bordered to{reinterpret_cast<std::byte*>(out), made.width * columns * kFloat, columns * kFloat};
    if (!last) {
      to = bordered(memory.stem[1 - i % 2], made, columns * out_element);
    }
    const Cut bands(made.height, team.together() ? made.height / 8 : made.height);
    team.each(bands.count, 0, [&](int64_t band, float*) {
      for (int64_t y = bands.begin(band); y < bands.end(band); ++y) {
        Product product = convolution.weights.product(
            in.at(y * convolution.stride - 1, -1), convolution.stride * convolution.in, made.width);
        product.pieces = 3;
        product.piece_stride = in.row / in_element;
        product.depth = 3 * convolution.in;
        product.activation =
            convolution.gelu ? ops::cpu::Activation::gelu : ops::cpu::Activation::none;
        product.out = last ? to.data + y * to.row : to.at(y, 0);
        product.out_bfloat16 = half() && !last;
        kernels.product(product);
      }
    });
    in = to;
    size = made;
  }
}

// The pixels under the kernel are gathered, so that one product has many rows.
void Network::downsample(
    const Convolution& convolution, const float* in, MapSize size, float* out, Team& team) const {
  const MapSize made = convolution.output(size);
  const int64_t depth = 9 * convolution.in;
  const int64_t rows = std::max<int64_t>(1, (kTokens + made.width - 1) / made.width);
  const Cut bands(made.height, rows);
  const int64_t most = bands.most() * made.width;
  team.each(bands.count, 2 * Pieces::padded(most * depth), [&](int64_t band, float* scratch) {
    Pieces pieces(scratch);
    float* const gathered = pieces.floats(most * depth);
    float* to = gathered;
    for (int64_t y = bands.begin(band); y < bands.end(band); ++y) {
      for (int64_t x = 0; x < made.width; ++x) {
        for (int64_t tap = 0; tap < 9; ++tap, to += convolution.in) {
          const int64_t from_y = y * convolution.stride + tap / 3 - 1;
          const int64_t from_x = x * convolution.stride + tap % 3 - 1;
          const auto bytes = static_cast<size_t>(convolution.in) * sizeof(float);
          if (from_y < 0 || from_y >= size.height || from_x < 0 || from_x >= size.width) {
            std::memset(to, 0, bytes);
          } else {
            std::memcpy(to, in + (from_y * size.width + from_x) * convolution.in, bytes);
          }
        }
      }
    }
    const int64_t tokens = (bands.end(band) - bands.begin(band)) * made.width;
    const void* a = gathered;
    if (half()) {
      auto* const narrowed = reinterpret_cast<uint16_t*>(pieces.floats(most * depth));
      kernels_.layers->to_bfloat16(gathered, tokens * depth, narrowed);
      a = narrowed;
    }
    Product product = convolution.weights.product(a, depth, tokens);
    product.out = out + bands.begin(band) * made.width * convolution.weights.columns();
    kernels_.layers->product(product);
  });
}

void Network::pool(const float* map, int64_t tokens, float* out, Team& team) const {
  const int64_t columns = pooled_->weights.columns();
  const int64_t depth = pooled_->weights.depth;
  const int64_t panels = (columns + ops::cpu::kPanelColumns - 1) / ops::cpu::kPanelColumns;
  const Cut parts(panels, team.together() ? panels / 4 : panels);
  const int64_t floats = Pieces::padded(tokens * depth) + Pieces::padded(tokens * columns);
  std::fill(out, out + columns, 0.0F);
  team.each(parts.count, floats, [&](int64_t part, float* scratch) {
    Pieces pieces(scratch);
    float* const projected = pieces.floats(tokens * columns);
    const void* a = map;
    if (half()) {
      auto* const narrowed = reinterpret_cast<uint16_t*>(pieces.floats(tokens * depth));
      kernels_.layers->to_bfloat16(map, tokens * depth, narrowed);
      a = narrowed;
    }
    const int64_t begin = parts.begin(part) * ops::cpu::kPanelColumns;
    const int64_t end = std::min(columns, parts.end(part) * ops::cpu::kPanelColumns);
    Product product = pooled_->weights.product(a, depth, tokens);
    product.activation = ops::cpu::Activation::silu;
    product.first_column = begin;
    product.columns = end;
    product.out = projected;
    kernels_.layers->product(product);
    kernels_.exact->add_rows(projected + begin, columns, tokens, end - begin, out + begin);
    for (int64_t c = begin; c < end; ++c) {
      out[c] /= static_cast<float>(tokens);
    }
  });
}

}  // namespace nala::inference
