// The parts of the networks as graphs of plain operations, from a state dict.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "export/graph.h"
#include "io/named_tensors.h"
#include "models/config.h"

namespace nala::exporting {

/// Adds layers to a graph, each under the name that its weights have in the state dict. Maps are
/// (B, C, H, W), tokens (B, H, W, C). Functions throw Error(checkpoint) for a tensor that is
/// missing, and Error(config) for an attention that has no plain form.
class GraphLayers {
 public:
  using Value = GraphBuilder::Value;

  GraphLayers(const models::ResolvedModel& model, const io::NamedTensors& tensors);

  /// The pictures as the network takes them.
  [[nodiscard]] const Value& pictures() const { return pictures_; }
  /// Makes them inside the graph, whose input is (B, H, W, C) uint8 then: divided by 255, minus
  /// `mean`, over `deviation`, a number each per channel (empty: not normalised).
  void take_bytes(const std::vector<double>& mean, const std::vector<double>& deviation);

  Graph finish(const Value& output, std::vector<int64_t> result) {
    return graph_.finish(output, std::move(result));
  }

  Value add(Operation operation,
            std::vector<Value> inputs,
            std::vector<int64_t> numbers = {},
            double epsilon = 0) {
    return graph_.add(operation, std::move(inputs), std::move(numbers), epsilon);
  }
  Value constant(double number) { return graph_.constant(number); }

  Value as_tokens(const Value& map) { return add(Operation::transpose, {map}, {0, 2, 3, 1}); }
  Value as_map(const Value& tokens) { return add(Operation::transpose, {tokens}, {0, 3, 1, 2}); }

  /// x W^T + b over the last axis; a 1x1 convolution's weights will do.
  Value linear(const Value& x, const std::string& name);
  /// Padded by half its size; without a bias where the state dict has none.
  Value convolution(const Value& map, const std::string& name, int64_t stride = 1);
  Value batch_norm(const Value& map, const std::string& name);
  Value layer_norm(const Value& tokens, const std::string& name, double epsilon);

  /// Rotary angles for the map, or an empty name where the model has none.
  Value rotary_angles(const Value& map, const std::string& name);

  struct Block {
    std::string name;
    int64_t dim = 0;
    int64_t heads = 0;
    models::BlockKind kind = models::BlockKind::linear;
    bool layer_scale = false;
    Value angles;
  };
  /// A NaLaFormer block: map to map.
  Value block(const Block& block, Value map);

  /// The maps of the four stages.
  std::array<Value, models::kStages> backbone(const std::string& prefix);

 private:
  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
  [[nodiscard]] at::Tensor tensor(const std::string& name) const;
  Value weight(const std::string& name, const at::Tensor& values);
  Value weight(const std::string& name) { return weight(name, tensor(name)); }
  Value stem(const std::string& prefix);
  Value stage(const std::string& prefix, int index, Value map);
  Value attention(const Block& block, const Value& map);
  Value residual(const Block& block, const Value& map, Value branch, const std::string& gamma);
  Value ffn(const Block& block, const Value& map);

  const models::ResolvedModel& model_;
  GraphBuilder graph_;
  Value pictures_;
  std::unordered_map<std::string, at::Tensor> tensors_;
};

}  // namespace nala::exporting
