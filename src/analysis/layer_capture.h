// What the attentions of a running network see.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "analysis/attention_rows.h"
#include "models/model.h"
#include "ops/rope.h"

namespace nala::analysis {

/// One attention layer of one picture.
struct CapturedLayer {
  std::string name;  ///< as in the state dict, without the last `.attn`
  Kernel kernel;     ///< what the layer does
  Kernel linear;     ///< the linear form of its configuration: `kernel`, but for softmax layers
  at::Tensor q, k;   ///< (h, N, d) float32 on the CPU, not rotated
  int64_t height = 0, width = 0;
  ops::Rotation rotation;  ///< on the CPU; undefined for none
};

/// Runs the network in evaluation mode on one picture (1, C, H, W) and keeps what its attentions
/// got, in order of running. Layers of the feature map pola, which has two attentions per head,
/// are left out. The network is as before afterwards; not thread-safe towards it.
std::vector<CapturedLayer> capture_layers(models::Model& model, const at::Tensor& picture);

}  // namespace nala::analysis
