#include "models/batch_norm.h"

#include <torch/torch.h>

#include <algorithm>

namespace nala::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Takes the function to the backward pass.
struct Peers : torch::CustomClassHolder {
  explicit Peers(SumOverProcesses function) : sum(std::move(function)) {}
  SumOverProcesses sum;
};

at::Tensor widened(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

// (C) as a factor of `map`: (1, C, 1, 1) of its dtype.
at::Tensor per_channel(const at::Tensor& values, const at::Tensor& map) {
  return values.to(map.scalar_type()).view({1, -1, 1, 1});
}

struct Moments {
  at::Tensor mean, variance;  // (C) float64, biased
  double count = 0;
};

Moments joint_moments(const at::Tensor& x, const SumOverProcesses& sum) {
  const int64_t channels = x.size(1);
  const auto count = static_cast<double>(x.numel() / channels);
  auto [variance, mean] = at::var_mean(x, at::IntArrayRef{0, 2, 3}, /*correction=*/0);  // (C) each
  mean = mean.to(at::kDouble);
  // The sums of 1, x and x^2 are additive over the processes; in float64 their difference is exact
  // enough whatever the mean.
  const at::Tensor sums = at::cat({mean.new_full({1}, count), mean * count,
                                   (variance.to(at::kDouble) + mean * mean) * count});  // (1 + 2C)
  sum(sums);
  const double total = sums[0].item<double>();
  const at::Tensor joint_mean = sums.narrow(0, 1, channels) / total;          // (C)
  const at::Tensor squares = sums.narrow(0, 1 + channels, channels) / total;  // (C)
  return {joint_mean, (squares - joint_mean * joint_mean).clamp_min(0), total};
}

class SyncBatchNorm : public torch::autograd::Function<SyncBatchNorm> {
 public:
  // Gives y, mean, unbiased variance.
  static variable_list forward(AutogradContext* context,
                               const at::Tensor& x,
                               const at::Tensor& weight,
                               const at::Tensor& bias,
                               double eps,
                               const c10::intrusive_ptr<Peers>& peers) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    const at::Tensor wide = widened(x);  // (B, C, H, W)
    const Moments moments = joint_moments(wide, peers->sum);
    const at::Tensor rate = (moments.variance + eps).rsqrt();  // (C), 1 / standard deviation
    const at::Tensor scale = weight * rate;                    // (C)
    const at::Tensor y = at::addcmul(per_channel(bias - moments.mean * scale, wide), wide,
                                     per_channel(scale, wide));  // (B, C, H, W)
    context->save_for_backward({x, weight, moments.mean, rate});
    context->saved_data["peers"] = c10::IValue::make_capsule(peers);
    context->saved_data["count"] = moments.count;
    const at::Tensor unbiased =
        moments.variance * (moments.count / std::max(moments.count - 1, 1.0));  // (C)
    context->mark_non_differentiable({moments.mean, unbiased});
    return {y.to(x.scalar_type()), moments.mean, unbiased};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "sync_batch_norm: double backward is not supported; use first derivatives only");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& weight = saved[1];
    const at::Tensor& rate = saved[3];
    const int64_t channels = weight.numel();
    const at::Tensor x = widened(saved[0]);                   // (B, C, H, W)
    const at::Tensor g = widened(gradients[0]);               // (B, C, H, W)
    const at::Tensor centred = x - per_channel(saved[2], x);  // (B, C, H, W)
    const at::Tensor own =
        at::cat({g.sum({0, 2, 3}), (g * centred).sum({0, 2, 3})}).to(at::kDouble);  // (2C)
    const at::Tensor joint = own.clone();                                           // (2C)
    const auto peers = context->saved_data["peers"].toCapsule();
    static_cast<Peers&>(*peers).sum(joint);
    // dx = w r (g - mean(g) - (x - m) r^2 mean(g (x - m))), means over all processes.
    const at::Tensor means = joint / context->saved_data["count"].toDouble();    // (2C)
    const at::Tensor slope = means.narrow(0, channels, channels) * rate * rate;  // (C)
    const at::Tensor dx =
        (g - per_channel(means.narrow(0, 0, channels), g) - centred * per_channel(slope, g)) *
        per_channel(weight * rate, g);  // (B, C, H, W)
    // This process's share: gradients of parameters are averaged over the processes later.
    return {dx.to(saved[0].scalar_type()),
            (own.narrow(0, channels, channels) * rate).to(weight.scalar_type()),
            own.narrow(0, 0, channels).to(weight.scalar_type()),
            {},
            {}};
  }
};

}  // namespace

SyncedBatch sync_batch_norm(const at::Tensor& x,
                            const at::Tensor& weight,
                            const at::Tensor& bias,
                            double eps,
                            const SumOverProcesses& sum) {
  const variable_list results =
      SyncBatchNorm::apply(x, weight, bias, eps, c10::make_intrusive<Peers>(sum));
  return {results[0], results[1], results[2]};
}

BatchNorm2dImpl::BatchNorm2dImpl(int64_t channels) : torch::nn::BatchNorm2dImpl(channels) {}

at::Tensor BatchNorm2dImpl::forward(const at::Tensor& x) {
  if (!is_training() || !sum_) {
    return torch::nn::BatchNorm2dImpl::forward(x);
  }
  const SyncedBatch batch = sync_batch_norm(x, weight, bias, options.eps(), sum_);
  const at::NoGradGuard no_grad;
  const double share = options.momentum().value();
  num_batches_tracked += 1;
  running_mean.mul_(1 - share).add_(batch.mean, share);
  running_var.mul_(1 - share).add_(batch.variance, share);
  return batch.y;
}

void synchronise_batch_norm(torch::nn::Module& model, const SumOverProcesses& sum) {
  for (const auto& module : model.modules()) {
    if (auto* const norm = module->as<BatchNorm2d>()) {
      norm->synchronise(sum);
    }
  }
}

}  // namespace nala::models
