#include "models/heads/segmentation_parts.h"

#include <torch/torch.h>

#include "core/rng.h"

namespace nala::models {

HeadConvImpl::HeadConvImpl(const HeadConvOptions& options)
    : conv_(register_module(
          "conv",
          Conv2d(Conv2dOptions{
              .in = options.in,
              .out = options.out,
              .kernel = options.kernel,
              .bias = !options.normed,
              .init = options.normed ? ConvInit::kaiming_fan_out : ConvInit::xavier_uniform}))) {
  if (options.normed) {
    bn_ = register_module("bn", BatchNorm2d(options.out));
  }
}

at::Tensor HeadConvImpl::forward(const at::Tensor& x) {
  const at::Tensor y = conv_(x);  // (B, out, H, W)
  return bn_ ? at::relu(bn_(y)) : y;
}

PixelClassifier::PixelClassifier(torch::nn::Module& owner, const Options& options)
    : owner_(owner),
      options_(options),
      conv_seg_(owner.register_module("conv_seg",
                                      Conv2d(Conv2dOptions{.in = options.channels,
                                                           .out = options.classes,
                                                           .kernel = 1,
                                                           .init = ConvInit::small_normal}))) {}

at::Tensor PixelClassifier::forward(const at::Tensor& x, const ForwardContext& context) {
  if (!owner_.is_training() || options_.dropout == 0) {
    return conv_seg_(x);
  }
  return conv_seg_(x * channel_dropout_factors(options_.dropout, options_.number, context, x));
}

at::Tensor resized_like(const at::Tensor& x, const at::Tensor& like) {
  if (x.size(2) == like.size(2) && x.size(3) == like.size(3)) {
    return x;
  }
  return at::upsample_bilinear2d(x, {like.size(2), like.size(3)}, false);
}

at::Tensor channel_dropout_factors(double rate,
                                   uint64_t number,
                                   const ForwardContext& context,
                                   const at::Tensor& x) {
  const int64_t count = x.size(0);
  const int64_t channels = x.size(1);
  TORCH_CHECK(std::ssize(context.positions) == count, "dropout: ", context.positions.size(),
              " sample positions for a batch of ", count);
  at::Tensor factors = torch::empty({count, channels, 1, 1}, at::kFloat);  // (B, C, 1, 1)
  auto* values = factors.mutable_data_ptr<float>();
  const auto kept = static_cast<float>(1 / (1 - rate));
  for (int64_t i = 0; i < count; ++i) {
    Rng rng(Stream::dropout,
            {context.seed, context.step, static_cast<uint64_t>(context.positions[i]), number});
    for (int64_t c = 0; c < channels; ++c) {
      *values++ = rng.chance(rate) ? 0 : kept;
    }
  }
  return factors.to(x.options());
}

}  // namespace nala::models
