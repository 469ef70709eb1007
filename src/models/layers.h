// The small parts: linear layers, convolutions and norms on channels-last maps, stem, downsampling,
// feed-forward network.
//
// Maps are (B, C, H, W) in channels-last memory, which is also the layout of tokens (B, N, C),
// N = H W. Parameters start uninitialised: models/init.h fills them. Names of children are those of
// the authors' state dicts.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "models/batch_norm.h"

namespace nala::models {

/// (B, C, H, W) as tokens (B, H W, C): a view of a channels-last map.
at::Tensor tokens_of(const at::Tensor& map);
/// Tokens (B, H W, C) as a channels-last map (B, C, H, W): a view.
at::Tensor map_of(const at::Tensor& tokens, int64_t height, int64_t width);

/// x W^T + b over the last dimension.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in, int64_t out);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;  // (out, in)
  at::Tensor bias;    // (out)
};
TORCH_MODULE(Linear);

/// What a convolution's weights start as; biases start at 0.
enum class ConvInit {
  truncated_normal,  ///< standard deviation 0.02: the backbone
  kaiming_fan_out,   ///< normal, sqrt(2 / (out * kernel^2)): before BatchNorm and ReLU of a head
  xavier_uniform,    ///< within sqrt(6 / ((in + out) * kernel^2)): a feature pyramid
  small_normal,      ///< standard deviation 0.01: the classifier of pixels
};

struct Conv2dOptions {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t groups = 1;
  bool bias = true;
  ConvInit init = ConvInit::truncated_normal;
};

/// Square convolution, padded by kernel / 2.
class Conv2dImpl : public torch::nn::Module {
 public:
  explicit Conv2dImpl(const Conv2dOptions& options);
  at::Tensor forward(const at::Tensor& x);
  /// x + forward(x) in one pass, of a depthwise convolution.
  at::Tensor forward_residual(const at::Tensor& x);
  /// u + forward(u), u = GELU(h), in one pass, of a depthwise convolution.
  at::Tensor forward_gelu_residual(const at::Tensor& h);

  at::Tensor weight;  // (out, in / groups, kernel, kernel)
  at::Tensor bias;    // (out), or undefined

  [[nodiscard]] ConvInit init() const { return options_.init; }

 private:
  [[nodiscard]] bool is_depthwise() const;

  Conv2dOptions options_;
};
TORCH_MODULE(Conv2d);

/// Options of a depthwise convolution that keeps the size.
constexpr Conv2dOptions depthwise(int64_t channels, int64_t kernel) {
  return {.in = channels, .out = channels, .kernel = kernel, .groups = channels};
}

/// LayerNorm over the last dimension, affine.
class LayerNormImpl : public torch::nn::Module {
 public:
  LayerNormImpl(int64_t dim, double eps);
  at::Tensor forward(const at::Tensor& x);

  at::Tensor weight;  // (dim)
  at::Tensor bias;    // (dim)

 private:
  double eps_;
};
TORCH_MODULE(LayerNorm);

/// LayerNorm over the channels of a map, eps 1e-6; gives tokens (B, N, C).
class LayerNorm2dImpl : public torch::nn::Module {
 public:
  explicit LayerNorm2dImpl(int64_t dim);
  at::Tensor forward(const at::Tensor& map);

 private:
  LayerNorm norm_;
};
TORCH_MODULE(LayerNorm2d);

/// The stem: (B, in, H, W) to (B, E, ceil(H/4), ceil(W/4)) by four 3x3 convolutions, strides 2 1 1
/// 2, widths E/2 E/2 E/2 E, each with BatchNorm, GELU between.
class PatchEmbedImpl : public torch::nn::Module {
 public:
  PatchEmbedImpl(int64_t in_channels, int64_t embed_dim);
  at::Tensor forward(const at::Tensor& images);

 private:
  torch::nn::ModuleList proj_;
};
TORCH_MODULE(PatchEmbed);

/// Between stages: (B, C, H, W) to (B, C', ceil(H/2), ceil(W/2)), 3x3 convolution and BatchNorm.
class DownsampleImpl : public torch::nn::Module {
 public:
  DownsampleImpl(int64_t dim, int64_t out_dim);
  at::Tensor forward(const at::Tensor& map);

 private:
  Conv2d reduction_;
  BatchNorm2d norm_;
};
TORCH_MODULE(Downsample);

/// Feed-forward network with a depthwise convolution inside: fc2(u + DWConv3x3(u)),
/// u = GELU(fc1(x)).
class FfnImpl : public torch::nn::Module {
 public:
  FfnImpl(int64_t dim, int64_t ffn_dim);
  /// tokens: (B, H W, C); gives the same shape.
  at::Tensor forward(const at::Tensor& tokens, int64_t height, int64_t width);

 private:
  Linear fc1_;
  Linear fc2_;
  Conv2d dwconv_;
};
TORCH_MODULE(Ffn);

}  // namespace nala::models
