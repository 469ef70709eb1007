// BatchNorm whose statistics may be those of several processes' batches.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <utility>

namespace nala::models {

/// Adds a tensor up over all processes, in place; called by all of them in the same order.
using SumOverProcesses = std::function<void(const at::Tensor&)>;

struct SyncedBatch {
  at::Tensor y;         ///< as x
  at::Tensor mean;      ///< (C) float64, no gradient
  at::Tensor variance;  ///< (C) float64, unbiased, no gradient
};
/// Batch normalisation of x (B, C, H, W) by the mean and the biased variance over all processes'
/// (B, H, W), differentiable once. weight, bias: (C). Arithmetic in float32 (float64 for float64);
/// statistics are put together in float64. Throws c10::Error on double backward.
SyncedBatch sync_batch_norm(const at::Tensor& x,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            double eps,
                            const SumOverProcesses& sum);

/// torch::nn::BatchNorm2d, and with synchronise() PyTorch's SyncBatchNorm: same parameters,
/// buffers, and results as the plain one on the joined batch.
class BatchNorm2dImpl : public torch::nn::BatchNorm2dImpl {
 public:
  explicit BatchNorm2dImpl(int64_t channels);

  /// x: (B, C, H, W); gives the same shape.
  at::Tensor forward(const at::Tensor& x);
  /// From now on training takes the statistics of all processes; an empty function undoes it.
  void synchronise(SumOverProcesses sum) { sum_ = std::move(sum); }

 private:
  SumOverProcesses sum_;
};
TORCH_MODULE(BatchNorm2d);

/// Calls synchronise() of every BatchNorm2d of the model.
void synchronise_batch_norm(torch::nn::Module& model, const SumOverProcesses& sum);

}  // namespace nala::models
