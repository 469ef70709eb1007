// The attention as a graph of plain operations (docs/attention.md).
#pragma once

#include <string>

#include "export/graph.h"
#include "models/config.h"

namespace nala::exporting {

/// Queries, keys and values of all heads, (B, h, N, d), the rotary angles (N, d) or an empty name,
/// and the map (B, C, H, W) that says N = H W.
struct AttentionInputs {
  std::string q, k, v;
  std::string angles;
  std::string map;
  int64_t head_dim = 0;
};

/// Linear attention, (B, h, N, d). Throws Error(config) for a feature map without a plain form.
std::string linear_attention(GraphBuilder& graph,
                             const AttentionInputs& inputs,
                             const models::AttentionConfig& config);

/// softmax(R(q) R(k)^T / sqrt(d)) v, (B, h, N, d).
std::string softmax_attention(GraphBuilder& graph, const AttentionInputs& inputs);

}  // namespace nala::exporting
