// Gradients averaged over the processes while the backward pass still runs.
#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "train/distributed/config.h"
#include "train/distributed/group.h"

namespace c10d {
class Reducer;
}

namespace nala::train {

/// PyTorch's c10d::Reducer around a model: after a backward that was prepared, every parameter's
/// gradient is the mean over the ranks, bucket by bucket as they become ready.
///
/// Buckets stay as they were made, in reverse order of the parameters, so that a resumed run adds
/// in the same order. Does nothing in a group of one.
class GradientReducer {
 public:
  /// `model` and `group` outlive it. Parameters without requires_grad are left out; all others must
  /// take part in every prepared backward.
  GradientReducer(const torch::nn::Module& model,
                  const Group& group,
                  const DistributedConfig& config);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// loss.backward(), all ranks together. With `reduce` false gradients are added up on this rank
  /// alone: all but the last of the batches of one step. Throws LostPeers.
  void backward(const at::Tensor& loss, bool reduce);

 private:
  const Group& group_;
  std::unique_ptr<c10d::Reducer> reducer_;  // null when alone
};

}  // namespace nala::train
