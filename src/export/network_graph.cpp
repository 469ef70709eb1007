#include "export/network_graph.h"

#include <torch/torch.h>

#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "export/attention_graph.h"

namespace nala::exporting {
namespace {

using models::BlockKind;
using models::ResolvedModel;
using Value = GraphBuilder::Value;

constexpr double kMapNormEps = 1e-6;
constexpr double kAttentionNormEps = 1e-5;
constexpr double kBatchNormEps = 1e-5;

// Maps are (B, C, H, W), tokens (B, H, W, C) or (B, N, C).
class NetworkGraph {
 public:
  NetworkGraph(const ResolvedModel& model, const io::NamedTensors& tensors)
      : model_(model), graph_(model.in_channels) {
    for (const auto& [name, tensor] : tensors) {
      tensors_.emplace(name, tensor);
    }
  }

  Graph classifier() {
    Value x = stem();
    for (int i = 0; i < models::kStages; ++i) {
      x = stage(i, x);
    }
    const Value projected = batch_norm(as_map(linear(as_tokens(x), "proj")), "norm");
    const Value pooled = add(Operation::pool, {add(Operation::silu, {projected})});  // (B, P)
    const at::Tensor head = tensor("head.weight").flatten(1);                        // (K, P)
    const Value product = add(Operation::matmul, {pooled, weight("head.weight", head.t())});
    const Value logits = add(Operation::add, {product, weight("head.bias")});
    return graph_.finish(logits, {0, model_.num_classes});
  }

 private:
  Value add(Operation operation,
            std::vector<Value> inputs,
            std::vector<int64_t> numbers = {},
            double epsilon = 0) {
    return graph_.add(operation, std::move(inputs), std::move(numbers), epsilon);
  }

  [[nodiscard]] at::Tensor tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw Error(ErrorKind::checkpoint, name + ": the weights have no such tensor");
    }
    return found->second;
  }

  Value weight(const std::string& name, const at::Tensor& values) {
    const at::Tensor plain = values.detach().to(at::kCPU, at::kFloat).contiguous();
    const auto* begin = plain.const_data_ptr<float>();
    return graph_.weight({name, plain.sizes().vec(), {begin, begin + plain.numel()}});
  }
  Value weight(const std::string& name) { return weight(name, tensor(name)); }

  Value as_tokens(const Value& map) { return add(Operation::transpose, {map}, {0, 2, 3, 1}); }
  Value as_map(const Value& tokens) { return add(Operation::transpose, {tokens}, {0, 3, 1, 2}); }

  Value linear(const Value& x, const std::string& name) {
    const Value product =
        add(Operation::matmul, {x, weight(name + ".weight", tensor(name + ".weight").t())});
    return add(Operation::add, {product, weight(name + ".bias")});
  }

  Value convolution(const Value& map, const std::string& name, int64_t stride = 1) {
    const at::Tensor kernel = tensor(name + ".weight");  // (out, in / groups, k, k)
    const bool depthwise = kernel.size(1) == 1 && kernel.size(0) > 1;
    return add(Operation::convolution, {map, weight(name + ".weight"), weight(name + ".bias")},
               {stride, kernel.size(2) / 2, depthwise ? kernel.size(0) : 1});
  }

  Value batch_norm(const Value& map, const std::string& name) {
    return add(Operation::batch_norm,
               {map, weight(name + ".weight"), weight(name + ".bias"),
                weight(name + ".running_mean"), weight(name + ".running_var")},
               {}, kBatchNormEps);
  }

  Value layer_norm(const Value& tokens, const std::string& name, double epsilon) {
    return add(Operation::layer_norm, {tokens, weight(name + ".weight"), weight(name + ".bias")},
               {}, epsilon);
  }

  Value stem() {
    Value x = graph_.input();
    for (int i = 0; i < 4; ++i) {
      const std::string name = "patch_embed.proj." + std::to_string(3 * i);
      x = convolution(x, name, i == 0 || i == 3 ? 2 : 1);
      x = batch_norm(x, "patch_embed.proj." + std::to_string(3 * i + 1));
      x = i < 3 ? add(Operation::gelu, {x}) : x;
    }
    return x;
  }

  Value stage(int index, Value x) {
    const std::string name = "layers." + std::to_string(index);
    Value angles;
    if (model_.attention.rope) {
      angles = add(Operation::rotary_angles, {x, weight(name + ".RoPE.angle")});
    }
    for (size_t block = 0; block < model_.blocks[index].size(); ++block) {
      x = this->block(index, block, x, angles);
    }
    if (index + 1 < models::kStages) {
      x = batch_norm(convolution(x, name + ".downsample.reduction", 2), name + ".downsample.norm");
    }
    return x;
  }

  Value block(int stage, size_t index, Value x, const Value& angles) {
    const std::string name = "layers." + std::to_string(stage) + ".blocks." + std::to_string(index);
    x = add(Operation::add, {x, convolution(x, name + ".cpe1")});
    x = residual(x, attention(stage, index, x, angles), name + ".gamma_1");
    x = add(Operation::add, {x, convolution(x, name + ".cpe2")});
    return residual(x, ffn(x, name), name + ".gamma_2");
  }

  // The branch is a map.
  Value residual(const Value& x, Value branch, const std::string& gamma) {
    if (model_.layer_scale) {
      branch = add(Operation::multiply, {branch, weight(gamma)});
    }
    return add(Operation::add, {x, branch});
  }

  Value ffn(const Value& x, const std::string& block) {
    const std::string name = block + ".ffn";
    const Value normed = layer_norm(as_tokens(x), block + ".norm2.norm", kMapNormEps);
    const Value u = as_map(add(Operation::gelu, {linear(normed, name + ".fc1")}));
    const Value mixed = add(Operation::add, {u, convolution(u, name + ".dwconv")});
    return as_map(linear(as_tokens(mixed), name + ".fc2"));
  }

  Value attention(int stage, size_t index, const Value& x, const Value& angles) {
    const std::string block =
        "layers." + std::to_string(stage) + ".blocks." + std::to_string(index);
    const std::string name = block + ".attn";
    const int64_t dim = model_.embed_dims[stage];
    const models::AttentionConfig& config = model_.attention;
    const Value normed = layer_norm(as_tokens(x), block + ".norm1.norm", kMapNormEps);
    const Value packed = linear(normed, name + ".qkvg");  // (B, H, W, 4C)
    const auto part = [&](int64_t i) {
      return add(Operation::narrow, {packed}, {3, i * dim, dim});  // (B, H, W, C)
    };
    const int64_t head_dim = model_.head_dim(stage);
    const auto per_head = [&](const Value& tokens) {
      const Value split = add(Operation::reshape, {tokens}, {0, -1, model_.heads[stage], head_dim});
      return add(Operation::transpose, {split}, {0, 2, 1, 3});  // (B, h, N, d)
    };
    const Value v = part(2);
    const AttentionInputs inputs{.q = per_head(part(0)),
                                 .k = per_head(part(1)),
                                 .v = per_head(v),
                                 .angles = angles,
                                 .map = x,
                                 .head_dim = head_dim};
    const bool softmax = model_.blocks[stage][index] == BlockKind::softmax ||
                         config.feature_map == models::AttentionMap::softmax;
    const Value heads =
        softmax ? softmax_attention(graph_, inputs) : linear_attention(graph_, inputs, config);
    const Value joined = add(Operation::transpose, {heads}, {0, 2, 1, 3});  // (B, N, h, d)
    Value y = add(Operation::reshape_like, {joined, v});                    // (B, H, W, C)
    if (config.lepe) {
      y = add(Operation::add, {y, as_tokens(convolution(as_map(v), name + ".lepe"))});
    }
    y = layer_norm(y, name + ".ln", kAttentionNormEps);
    if (config.gate) {
      y = add(Operation::multiply, {y, add(Operation::silu, {part(3)})});
    }
    return as_map(linear(y, name + ".out_proj"));
  }

  const ResolvedModel& model_;
  GraphBuilder graph_;
  std::unordered_map<std::string, at::Tensor> tensors_;
};

}  // namespace

Graph classifier_graph(const ResolvedModel& model, const io::NamedTensors& tensors) {
  return NetworkGraph(model, tensors).classifier();
}

}  // namespace nala::exporting
