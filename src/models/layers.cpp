#include "models/layers.h"

#include <torch/torch.h>

#include "models/norm_eps.h"
#include "ops/depthwise.h"
#include "ops/linear.h"

namespace nala::models {

at::Tensor tokens_of(const at::Tensor& map) {
  return map.permute({0, 2, 3, 1}).flatten(1, 2);
}

at::Tensor map_of(const at::Tensor& tokens, int64_t height, int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});
}

LinearImpl::LinearImpl(int64_t in, int64_t out)
    : weight(register_parameter("weight", torch::empty({out, in}))),
      bias(register_parameter("bias", torch::empty({out}))) {}

at::Tensor LinearImpl::forward(const at::Tensor& x) {
  return ops::linear(x, weight, bias);
}

Conv2dImpl::Conv2dImpl(const Conv2dOptions& options)
    : weight(register_parameter("weight",
                                torch::empty({options.out, options.in / options.groups,
                                              options.kernel, options.kernel}))),
      bias(options.bias ? register_parameter("bias", torch::empty({options.out})) : at::Tensor()),
      options_(options) {}

bool Conv2dImpl::is_depthwise() const {
  return options_.groups == options_.in && options_.in == options_.out && options_.stride == 1;
}

at::Tensor Conv2dImpl::forward_residual(const at::Tensor& x) {
  TORCH_CHECK(is_depthwise(), "forward_residual: not a depthwise convolution");
  return ops::depthwise({.map = x, .weight = weight, .bias = bias, .residual = true});
}

at::Tensor Conv2dImpl::forward_gelu_residual(const at::Tensor& h) {
  TORCH_CHECK(is_depthwise(), "forward_gelu_residual: not a depthwise convolution");
  return ops::depthwise({.map = h, .weight = weight, .bias = bias, .residual = true, .gelu = true});
}

at::Tensor Conv2dImpl::forward(const at::Tensor& x) {
  if (is_depthwise()) {
    return ops::depthwise({.map = x, .weight = weight, .bias = bias});
  }
  return at::conv2d(x, weight, bias, options_.stride, options_.kernel / 2, 1, options_.groups);
}

LayerNormImpl::LayerNormImpl(int64_t dim, double eps)
    : weight(register_parameter("weight", torch::empty({dim}))),
      bias(register_parameter("bias", torch::empty({dim}))),
      eps_(eps) {}

at::Tensor LayerNormImpl::forward(const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps_);
}

LayerNorm2dImpl::LayerNorm2dImpl(int64_t dim)
    : norm_(register_module("norm", LayerNorm(dim, kMapNormEps))) {}

at::Tensor LayerNorm2dImpl::forward(const at::Tensor& map) {
  return norm_(tokens_of(map));
}

PatchEmbedImpl::PatchEmbedImpl(int64_t in_channels, int64_t embed_dim)
    : proj_(register_module("proj", torch::nn::ModuleList())) {
  const int64_t half = embed_dim / 2;
  const auto add = [this](const Conv2dOptions& options) {
    proj_->push_back(Conv2d(options));
    proj_->push_back(BatchNorm2d(options.out));
  };
  add({.in = in_channels, .out = half, .stride = 2});
  for (int repeat = 0; repeat < 2; ++repeat) {
    proj_->push_back(torch::nn::GELU());
    add({.in = half, .out = half});
  }
  proj_->push_back(torch::nn::GELU());
  add({.in = half, .out = embed_dim, .stride = 2});
}

at::Tensor PatchEmbedImpl::forward(const at::Tensor& images) {
  at::Tensor x = images.contiguous(at::MemoryFormat::ChannelsLast);
  for (size_t i = 0; i < proj_->size(); i += 3) {
    x = proj_->at<Conv2dImpl>(i).forward(i == 0 ? x : at::gelu(x));
    x = proj_->at<BatchNorm2dImpl>(i + 1).forward(x);
  }
  return x;
}

DownsampleImpl::DownsampleImpl(int64_t dim, int64_t out_dim)
    : reduction_(register_module("reduction",
                                 Conv2d(Conv2dOptions{.in = dim, .out = out_dim, .stride = 2}))),
      norm_(register_module("norm", BatchNorm2d(out_dim))) {}

at::Tensor DownsampleImpl::forward(const at::Tensor& map) {
  return norm_(reduction_(map));
}

FfnImpl::FfnImpl(int64_t dim, int64_t ffn_dim)
    : fc1_(register_module("fc1", Linear(dim, ffn_dim))),
      fc2_(register_module("fc2", Linear(ffn_dim, dim))),
      dwconv_(register_module("dwconv", Conv2d(depthwise(ffn_dim, 3)))) {}

at::Tensor FfnImpl::forward(const at::Tensor& tokens, int64_t height, int64_t width) {
  const at::Tensor h = fc1_(tokens);  // (B, N, F)
  return fc2_(tokens_of(dwconv_->forward_gelu_residual(map_of(h, height, width))));
}

}  // namespace nala::models
