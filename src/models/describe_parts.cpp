#include "models/describe_parts.h"

#include <algorithm>

#include "core/error.h"
#include "models/attention_form.h"

namespace nala::models {
namespace {

// Multiply-adds per token of the products between tokens.
int64_t mixing(const BlockShape& block, int64_t tokens) {
  const AttentionMap map = block.attention.feature_map;
  if (is_softmax(block.kind, block.attention)) {
    return 2 * tokens * block.dim;
  }
  const int64_t head_dim = block.dim / block.heads;
  if (map == AttentionMap::pola) {
    return 2 * 2 * block.dim * (1 + head_dim);  // two normalisers, half of the values for each
  }
  const bool split = map == AttentionMap::relu_split || map == AttentionMap::cosine;
  const int64_t features = (split ? 2 : 1) * block.dim;
  return features * (1 + 2 * head_dim);
}

void describe_attention(const BlockShape& block,
                        const std::string& name,
                        DescriptionWriter& writer) {
  const int64_t dim = block.dim;
  writer.linear(name + ".qkvg", dim, (block.attention.gate ? 4 : 3) * dim);
  if (block.kind == BlockKind::linear && block.attention.feature_map == AttentionMap::pola) {
    writer.elementwise(name + ".pola", "pow", 2 * dim, 2 * dim);  // power and scale, dim each
  }
  writer.matmul(name, dim, mixing(block, writer.size.count()));
  if (block.attention.lepe) {
    writer.conv(name + ".lepe", {.in = dim, .out = dim, .kernel = 5, .groups = dim});
  }
  writer.layer_norm(name + ".ln", dim);
  if (block.attention.gate) {
    writer.elementwise(name, "silu", dim);
  }
  writer.linear(name + ".out_proj", dim, dim);
}

void describe_ffn(const BlockShape& block, const std::string& name, DescriptionWriter& writer) {
  const int64_t wide = block.ffn_dim;
  writer.linear(name + ".fc1", block.dim, wide);
  writer.elementwise(name, "gelu", wide);
  writer.conv(name + ".dwconv", {.in = wide, .out = wide, .groups = wide});
  writer.linear(name + ".fc2", wide, block.dim);
}

}  // namespace

DescriptionWriter::DescriptionWriter(MapSize input) : size(input) {
  if (std::min(input.height, input.width) < 1 ||
      std::max(input.height, input.width) > kMaxDescribedSide) {
    throw Error(ErrorKind::config, "data.image_size: " + std::to_string(input.height) + " x " +
                                       std::to_string(input.width) + ", expected sides of 1 to " +
                                       std::to_string(kMaxDescribedSide));
  }
}

void DescriptionWriter::conv(const std::string& name, const ConvShape& conv) {
  const int64_t per_output = conv.in / conv.groups * conv.kernel * conv.kernel;
  add({name,
       "conv",
       {conv.out},
       conv.out * (per_output + (conv.bias ? 1 : 0)),
       conv.out * per_output});
}

void DescriptionWriter::linear(const std::string& name, int64_t in, int64_t out) {
  add({name, "linear", {out}, out * (in + 1), out * in});
}

void DescriptionWriter::layer_norm(const std::string& name, int64_t channels) {
  add({name, "layer_norm", {channels}, 2 * channels, 5 * channels});
}

void DescriptionWriter::batch_norm(const std::string& name, int64_t channels) {
  add({name, "batch_norm", {channels}, 2 * channels, 2 * channels});
}

void DescriptionWriter::matmul(const std::string& name, int64_t channels, int64_t per_token) {
  add({name, "matmul", {channels}, 0, per_token});
}

void DescriptionWriter::elementwise(const std::string& name,
                                    const char* operation,
                                    int64_t channels,
                                    int64_t parameters) {
  add({name, operation, {channels}, parameters, 0});
}

void DescriptionWriter::average_pool(const std::string& name, int64_t channels, MapSize to) {
  const int64_t inputs = channels * size.count();
  size = to;
  add({name, "adaptive_avg_pool2d", {channels}, 0, 0});
  description.layers.back().multiply_adds = inputs;
}

void DescriptionWriter::resize(const std::string& name,
                               int64_t channels,
                               MapSize to,
                               bool bilinear) {
  size = to;
  add({name,
       bilinear ? "upsample_bilinear2d" : "upsample_nearest2d",
       {channels},
       0,
       (bilinear ? 4 : 1) * channels});
}

void DescriptionWriter::add(Layer layer) {
  layer.name = prefix + layer.name;
  layer.multiply_adds *= size.count();
  layer.activation_bytes = layer.output[0] * size.count() * int64_t{sizeof(float)};
  layer.output.insert(layer.output.end(), {size.height, size.width});
  description.layers.push_back(std::move(layer));
}

void describe_block(const BlockShape& block, const std::string& name, DescriptionWriter& writer) {
  const auto end_branch = [&] {
    if (block.layer_scale) {
      writer.elementwise(name, "layer_scale", block.dim, block.dim);
    }
  };
  const ConvShape positional = {.in = block.dim, .out = block.dim, .groups = block.dim};
  writer.conv(name + ".cpe1", positional);
  writer.layer_norm(name + ".norm1.norm", block.dim);
  describe_attention(block, name + ".attn", writer);
  end_branch();
  writer.conv(name + ".cpe2", positional);
  writer.layer_norm(name + ".norm2.norm", block.dim);
  describe_ffn(block, name + ".ffn", writer);
  end_branch();
}

}  // namespace nala::models
