#include "models/describe.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace nala::models {
namespace {

constexpr int64_t kMaxSide = 1 << 15;

struct Size {
  int64_t height = 0;
  int64_t width = 0;
  [[nodiscard]] int64_t count() const { return height * width; }
  [[nodiscard]] Size halved() const { return {(height + 1) / 2, (width + 1) / 2}; }
};

struct Conv {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;
  int64_t groups = 1;
};

// Appends operations, each on a map of `size`.
class Writer {
 public:
  explicit Writer(Size input) : size(input) {}

  void conv(const std::string& name, const Conv& conv) {
    const int64_t per_output = conv.in / conv.groups * conv.kernel * conv.kernel;
    add({name, "conv", {conv.out}, conv.out * (per_output + 1), conv.out * per_output});
  }
  void linear(const std::string& name, int64_t in, int64_t out) {
    add({name, "linear", {out}, out * (in + 1), out * in});
  }
  void layer_norm(const std::string& name, int64_t channels) {
    add({name, "layer_norm", {channels}, 2 * channels, 5 * channels});
  }
  void batch_norm(const std::string& name, int64_t channels) {
    add({name, "batch_norm", {channels}, 2 * channels, 2 * channels});
  }
  void matmul(const std::string& name, int64_t channels, int64_t per_token) {
    add({name, "matmul", {channels}, 0, per_token});
  }
  // Counts nothing; keeps its output.
  void elementwise(const std::string& name,
                   const char* operation,
                   int64_t channels,
                   int64_t parameters = 0) {
    add({name, operation, {channels}, parameters, 0});
  }
  void average_pool(const std::string& name, int64_t channels) {
    const int64_t inputs = channels * size.count();
    size = {1, 1};
    add({name, "adaptive_avg_pool2d", {channels}, 0, inputs});
  }

  Size size;
  Description description;

 private:
  // `layer` with output (C) and multiply-adds of one position.
  void add(Layer layer) {
    layer.multiply_adds *= size.count();
    layer.activation_bytes = layer.output[0] * size.count() * int64_t{sizeof(float)};
    layer.output.insert(layer.output.end(), {size.height, size.width});
    description.layers.push_back(std::move(layer));
  }
};

void describe_stem(const ResolvedModel& model, Writer& writer) {
  const int64_t half = model.embed_dims[0] / 2;
  const std::array<int64_t, 5> widths = {model.in_channels, half, half, half, model.embed_dims[0]};
  for (int i = 0; i < 4; ++i) {
    const auto name = [i](int part) { return "patch_embed.proj." + std::to_string(3 * i + part); };
    if (i == 0 || i == 3) {
      writer.size = writer.size.halved();
    }
    writer.conv(name(0), {.in = widths[i], .out = widths[i + 1]});
    writer.batch_norm(name(1), widths[i + 1]);
    if (i < 3) {
      writer.elementwise(name(2), "gelu", widths[i + 1]);
    }
  }
}

// Multiply-adds per token of the products between tokens.
int64_t mixing(const ResolvedModel& model, int stage, BlockKind kind, int64_t tokens) {
  const int64_t dim = model.embed_dims[stage];
  const AttentionMap map = model.attention.feature_map;
  if (kind == BlockKind::softmax || map == AttentionMap::softmax) {
    return 2 * tokens * dim;
  }
  const bool split = map == AttentionMap::relu_split || map == AttentionMap::cosine;
  const int64_t features = (split ? 2 : 1) * dim;
  return features * (1 + 2 * model.head_dim(stage));
}

void describe_attention(const ResolvedModel& model,
                        int stage,
                        BlockKind kind,
                        const std::string& name,
                        Writer& writer) {
  const int64_t dim = model.embed_dims[stage];
  writer.linear(name + ".qkvg", dim, (model.attention.gate ? 4 : 3) * dim);
  writer.matmul(name, dim, mixing(model, stage, kind, writer.size.count()));
  if (model.attention.lepe) {
    writer.conv(name + ".lepe", {.in = dim, .out = dim, .kernel = 5, .groups = dim});
  }
  writer.layer_norm(name + ".ln", dim);
  if (model.attention.gate) {
    writer.elementwise(name, "silu", dim);
  }
  writer.linear(name + ".out_proj", dim, dim);
}

void describe_ffn(const ResolvedModel& model, int stage, const std::string& name, Writer& writer) {
  const int64_t dim = model.embed_dims[stage];
  const int64_t wide = model.ffn_dim(stage);
  writer.linear(name + ".fc1", dim, wide);
  writer.elementwise(name, "gelu", wide);
  writer.conv(name + ".dwconv", {.in = wide, .out = wide, .groups = wide});
  writer.linear(name + ".fc2", wide, dim);
}

void describe_block(const ResolvedModel& model, int stage, size_t block, Writer& writer) {
  const int64_t dim = model.embed_dims[stage];
  const std::string name = "layers." + std::to_string(stage) + ".blocks." + std::to_string(block);
  const auto end_branch = [&] {
    if (model.layer_scale) {
      writer.elementwise(name, "layer_scale", dim, dim);
    }
  };
  writer.conv(name + ".cpe1", {.in = dim, .out = dim, .groups = dim});
  writer.layer_norm(name + ".norm1.norm", dim);
  describe_attention(model, stage, model.blocks[stage][block], name + ".attn", writer);
  end_branch();
  writer.conv(name + ".cpe2", {.in = dim, .out = dim, .groups = dim});
  writer.layer_norm(name + ".norm2.norm", dim);
  describe_ffn(model, stage, name + ".ffn", writer);
  end_branch();
}

void describe_stage(const ResolvedModel& model, int stage, Writer& writer) {
  for (size_t block = 0; block < model.blocks[stage].size(); ++block) {
    describe_block(model, stage, block, writer);
  }
  if (stage + 1 == kStages) {
    return;
  }
  const std::string name = "layers." + std::to_string(stage) + ".downsample.";
  writer.size = writer.size.halved();
  writer.conv(name + "reduction",
              {.in = model.embed_dims[stage], .out = model.embed_dims[stage + 1]});
  writer.batch_norm(name + "norm", model.embed_dims[stage + 1]);
}

void describe_classifier(const ResolvedModel& model, Writer& writer) {
  writer.linear("proj", model.embed_dims.back(), model.projection);
  writer.batch_norm("norm", model.projection);
  writer.elementwise("swish", "silu", model.projection);
  writer.average_pool("avgpool", model.projection);
  writer.conv("head", {.in = model.projection, .out = model.num_classes, .kernel = 1});
}

int64_t total(const std::vector<Layer>& layers, int64_t Layer::*member) {
  return std::accumulate(layers.begin(), layers.end(), int64_t{0},
                         [&](int64_t sum, const Layer& layer) { return sum + layer.*member; });
}

}  // namespace

int64_t Description::parameters() const {
  return total(layers, &Layer::parameters);
}

int64_t Description::multiply_adds() const {
  return total(layers, &Layer::multiply_adds);
}

int64_t Description::activation_bytes() const {
  return total(layers, &Layer::activation_bytes);
}

std::map<std::string, int64_t> Description::multiply_adds_by_operation() const {
  std::map<std::string, int64_t> sums;
  for (const Layer& layer : layers) {
    if (layer.multiply_adds > 0) {
      sums[layer.operation] += layer.multiply_adds;
    }
  }
  return sums;
}

Description Description::below(std::string_view module) const {
  Description part;
  std::ranges::copy_if(layers, std::back_inserter(part.layers), [&](const Layer& layer) {
    return layer.name.starts_with(module) &&
           (layer.name.size() == module.size() || layer.name[module.size()] == '.');
  });
  return part;
}

Description describe(const ResolvedModel& model, Task task, int64_t height, int64_t width) {
  if (task != Task::classification) {
    throw Error(ErrorKind::config, "task: only classification is built yet");
  }
  if (model.num_classes < 1) {
    throw Error(ErrorKind::config, "model.num_classes: 0, expected the number of classes");
  }
  if (std::min(height, width) < 1 || std::max(height, width) > kMaxSide) {
    throw Error(ErrorKind::config, "data.image_size: " + std::to_string(height) + " x " +
                                       std::to_string(width) + ", expected sides of 1 to " +
                                       std::to_string(kMaxSide));
  }
  Writer writer({height, width});
  describe_stem(model, writer);
  for (int stage = 0; stage < kStages; ++stage) {
    describe_stage(model, stage, writer);
  }
  describe_classifier(model, writer);
  return std::move(writer.description);
}

}  // namespace nala::models
