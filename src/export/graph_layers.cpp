#include "export/graph_layers.h"

#include <torch/torch.h>

#include <utility>

#include "core/error.h"
#include "export/attention_graph.h"
#include "models/attention_form.h"
#include "models/norm_eps.h"

namespace nala::exporting {
using Value = GraphLayers::Value;

GraphLayers::GraphLayers(const models::ResolvedModel& model, const io::NamedTensors& tensors)
    : model_(model), graph_(model.in_channels), pictures_(graph_.input()) {
  for (const auto& [name, tensor] : tensors) {
    tensors_.emplace(name, tensor);
  }
}

void GraphLayers::take_bytes(const std::vector<double>& mean,
                             const std::vector<double>& deviation) {
  graph_.take_bytes();
  pictures_ =
      add(Operation::divide, {add(Operation::bytes_to_map, {graph_.input()}), constant(255)});
  const auto per_channel = [&](const std::string& name, const std::vector<double>& numbers) {
    return weight(name, at::tensor(numbers).view({-1, 1, 1}));  // (C, 1, 1)
  };
  if (!mean.empty()) {
    pictures_ = add(Operation::subtract, {pictures_, per_channel("pictures.mean", mean)});
    pictures_ = add(Operation::divide, {pictures_, per_channel("pictures.std", deviation)});
  }
}

at::Tensor GraphLayers::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ErrorKind::checkpoint, name + ": the weights have no such tensor");
  }
  return found->second;
}

Value GraphLayers::weight(const std::string& name, const at::Tensor& values) {
  const at::Tensor plain = values.detach().to(at::kCPU, at::kFloat).contiguous();
  const auto* begin = plain.const_data_ptr<float>();
  return graph_.weight({name, plain.sizes().vec(), {begin, begin + plain.numel()}});
}

Value GraphLayers::linear(const Value& x, const std::string& name) {
  const at::Tensor weights = tensor(name + ".weight").flatten(1);  // (out, in)
  const Value product = add(Operation::matmul, {x, weight(name + ".weight", weights.t())});
  return add(Operation::add, {product, weight(name + ".bias")});
}

Value GraphLayers::convolution(const Value& map, const std::string& name, int64_t stride) {
  const at::Tensor kernel = tensor(name + ".weight");  // (out, in / groups, k, k)
  const bool depthwise = kernel.size(1) == 1 && kernel.size(0) > 1;
  const Value bias = has(name + ".bias") ? weight(name + ".bias")
                                         : weight(name + ".no_bias", at::zeros({kernel.size(0)}));
  return add(Operation::convolution, {map, weight(name + ".weight"), bias},
             {stride, kernel.size(2) / 2, depthwise ? kernel.size(0) : 1});
}

Value GraphLayers::batch_norm(const Value& map, const std::string& name) {
  return add(Operation::batch_norm,
             {map, weight(name + ".weight"), weight(name + ".bias"), weight(name + ".running_mean"),
              weight(name + ".running_var")},
             {}, models::kBatchNormEps);
}

Value GraphLayers::layer_norm(const Value& tokens, const std::string& name, double epsilon) {
  return add(Operation::layer_norm, {tokens, weight(name + ".weight"), weight(name + ".bias")}, {},
             epsilon);
}

Value GraphLayers::rotary_angles(const Value& map, const std::string& name) {
  return model_.attention.rope ? add(Operation::rotary_angles, {map, weight(name + ".angle")})
                               : Value();
}

Value GraphLayers::block(const Block& block, Value map) {
  map = add(Operation::add, {map, convolution(map, block.name + ".cpe1")});
  map = residual(block, map, attention(block, map), ".gamma_1");
  map = add(Operation::add, {map, convolution(map, block.name + ".cpe2")});
  return residual(block, map, ffn(block, map), ".gamma_2");
}

Value GraphLayers::residual(const Block& block,
                            const Value& map,
                            Value branch,
                            const std::string& gamma) {
  if (block.layer_scale) {
    branch = add(Operation::multiply, {branch, weight(block.name + gamma)});
  }
  return add(Operation::add, {map, branch});
}

Value GraphLayers::ffn(const Block& block, const Value& map) {
  const std::string name = block.name + ".ffn";
  const Value normed = layer_norm(as_tokens(map), block.name + ".norm2.norm", models::kMapNormEps);
  const Value u = as_map(add(Operation::gelu, {linear(normed, name + ".fc1")}));
  const Value mixed = add(Operation::add, {u, convolution(u, name + ".dwconv")});
  return as_map(linear(as_tokens(mixed), name + ".fc2"));
}

Value GraphLayers::attention(const Block& block, const Value& map) {
  const std::string name = block.name + ".attn";
  const models::AttentionConfig& config = model_.attention;
  const Value normed = layer_norm(as_tokens(map), block.name + ".norm1.norm", models::kMapNormEps);
  const Value packed = linear(normed, name + ".qkvg");  // (B, H, W, 4C)
  const auto part = [&](int64_t i) {
    return add(Operation::narrow, {packed}, {3, i * block.dim, block.dim});  // (B, H, W, C)
  };
  const int64_t head_dim = block.dim / block.heads;
  const auto per_head = [&](const Value& tokens) {
    const Value split = add(Operation::reshape, {tokens}, {0, -1, block.heads, head_dim});
    return add(Operation::transpose, {split}, {0, 2, 1, 3});  // (B, h, N, d)
  };
  const Value v = part(2);
  const AttentionInputs inputs{.q = per_head(part(0)),
                               .k = per_head(part(1)),
                               .v = per_head(v),
                               .angles = block.angles,
                               .map = map,
                               .head_dim = head_dim};
  const Value heads = models::is_softmax(block.kind, config)
                          ? softmax_attention(graph_, inputs)
                          : linear_attention(graph_, inputs, config);
  const Value joined = add(Operation::transpose, {heads}, {0, 2, 1, 3});  // (B, N, h, d)
  Value y = add(Operation::reshape_like, {joined, v});                    // (B, H, W, C)
  if (config.lepe) {
    y = add(Operation::add, {y, as_tokens(convolution(as_map(v), name + ".lepe"))});
  }
  y = layer_norm(y, name + ".ln", models::kAttentionNormEps);
  if (config.gate) {
    y = add(Operation::multiply, {y, add(Operation::silu, {part(3)})});
  }
  return as_map(linear(y, name + ".out_proj"));
}

Value GraphLayers::stem(const std::string& prefix) {
  Value x = pictures();
  for (int i = 0; i < 4; ++i) {
    const std::string name = prefix + "patch_embed.proj.";
    x = convolution(x, name + std::to_string(3 * i), i == 0 || i == 3 ? 2 : 1);
    x = batch_norm(x, name + std::to_string(3 * i + 1));
    x = i < 3 ? add(Operation::gelu, {x}) : x;
  }
  return x;
}

Value GraphLayers::stage(const std::string& prefix, int index, Value map) {
  const std::string name = prefix + "layers." + std::to_string(index);
  Block block{.name = {},
              .dim = model_.embed_dims[index],
              .heads = model_.heads[index],
              .layer_scale = model_.layer_scale.has_value(),
              .angles = rotary_angles(map, name + ".RoPE")};
  for (size_t i = 0; i < model_.blocks[index].size(); ++i) {
    block.name = name + ".blocks." + std::to_string(i);
    block.kind = model_.blocks[index][i];
    map = this->block(block, map);
  }
  return map;
}

std::array<Value, models::kStages> GraphLayers::backbone(const std::string& prefix) {
  std::array<Value, models::kStages> maps;
  Value x = stem(prefix);
  for (int i = 0; i < models::kStages; ++i) {
    maps[i] = stage(prefix, i, x);
    if (i + 1 < models::kStages) {
      const std::string name = prefix + "layers." + std::to_string(i) + ".downsample";
      x = batch_norm(convolution(maps[i], name + ".reduction", 2), name + ".norm");
    }
  }
  return maps;
}

}  // namespace nala::exporting
