// Whole attention modules against the composition of the released Python code, in one process.
//
//   bench_attention_module_ratio [threads] [rounds]
//
// Both sides: float32, no gradients, the same weights, the allocator set as the program sets it.
// Rounds alternate between the two; medians and their ratio are printed, then the parts of ours
// alone beside the linear layers of the other side, and how long all products take at the rate of
// multiplying and adding in registers.
#include <malloc.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "models/attention.h"
#include "ops/depthwise.h"
#include "ops/epilogue.h"
#include "ops/linear.h"
#include "ops/linear_attention.h"
#include "ops/rope.h"
#include "peak.h"

namespace {

struct Shape {
  int64_t batch, height, width, channels, heads;
};

// One step of the released code per line, on the module's own parameters.
class Composition {
 public:
  Composition(const torch::nn::Module& module, int64_t heads)
      : p_(module.named_parameters()), heads_(heads) {}

  at::Tensor forward(const at::Tensor& map, const nala::ops::Rotation& rotation) const {
    const int64_t batch = map.size(0), channels = map.size(1);
    const int64_t height = map.size(2), width = map.size(3), tokens = height * width;
    const at::Tensor x = map.reshape({batch, channels, tokens}).transpose(1, 2);
    const at::Tensor packed = at::linear(x, p_["qkvg.weight"], p_["qkvg.bias"])
                                  .reshape({batch, tokens, 4, channels})
                                  .permute({2, 0, 1, 3});  // (4, B, N, C)
    const at::Tensor lepe =
        at::conv2d(packed[2].reshape({batch, height, width, channels}).permute({0, 3, 1, 2}),
                   p_["lepe.weight"], p_["lepe.bias"], 1, 2, 1, channels)
            .permute({0, 2, 3, 1})
            .reshape({batch, tokens, channels});
    at::Tensor y = attend(per_head(packed[0]), per_head(packed[1]), per_head(packed[2]), rotation);
    y = y.transpose(1, 2).reshape({batch, tokens, channels}) + lepe;
    y = at::layer_norm(y, {channels}, p_["ln.weight"], p_["ln.bias"]) * at::silu(packed[3]);
    return at::linear(y, p_["out_proj.weight"], p_["out_proj.bias"])
        .reshape({batch, height, width, channels})
        .permute({0, 3, 1, 2});
  }

 private:
  at::Tensor per_head(const at::Tensor& x) const {
    return x.reshape({x.size(0), x.size(1), heads_, -1}).permute({0, 2, 1, 3});  // (B, h, N, d)
  }

  static at::Tensor rotated(const at::Tensor& x, const nala::ops::Rotation& rotation) {
    const at::Tensor even = x.slice(3, 0, x.size(3), 2);
    const at::Tensor odd = x.slice(3, 1, x.size(3), 2);
    return x * rotation.cos + at::stack({-odd, even}, -1).flatten(-2) * rotation.sin;
  }

  static at::Tensor attend(const at::Tensor& q,
                           const at::Tensor& given_k,
                           const at::Tensor& v,
                           const nala::ops::Rotation& rotation) {
    const at::Tensor k = given_k.pow(3);
    const at::Tensor norm = q.norm(2, {-1}, true);
    const at::Tensor power = 3 * (0.5 + norm.tanh());
    const at::Tensor q1 = (q.relu() / norm).pow(power);
    const at::Tensor q2 = ((-q).relu() / norm).pow(power);
    const at::Tensor k1 = k.relu();
    const at::Tensor k2 = (-k).relu();
    const at::Tensor turned_q = at::cat({rotated(q1, rotation), rotated(q2, rotation)}, -1);
    const at::Tensor turned_k = at::cat({rotated(k1, rotation), rotated(k2, rotation)}, -1);
    const at::Tensor phi_q = at::cat({q1, q2}, -1);  // (B, h, N, 2d)
    const at::Tensor phi_k = at::cat({k1, k2}, -1);
    const at::Tensor z = 1 / (at::matmul(phi_q, phi_k.mean(-2, true).transpose(-2, -1)) + 1e-6);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(2)));
    const at::Tensor state = at::matmul(turned_k.transpose(-2, -1) * scale, v * scale);
    return at::matmul(turned_q, state) * z;
  }

  torch::OrderedDict<std::string, at::Tensor> p_;
  int64_t heads_;
};

double milliseconds(const auto& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void fill(torch::nn::Module& module) {
  for (at::Tensor& parameter : module.parameters()) {
    const at::Tensor index = at::arange(parameter.numel(), parameter.options());
    parameter.copy_((index * 0.7).sin().mul(0.3).view(parameter.sizes()));
  }
}

void compare(const Shape& shape, int rounds) {
  nala::models::Attention module(
      nala::models::AttentionOptions{.dim = shape.channels, .heads = shape.heads});
  fill(*module);
  const Composition composition(*module, shape.heads);
  const int64_t tokens = shape.height * shape.width;
  const at::Tensor x = at::arange(shape.batch * tokens * shape.channels, at::kFloat)
                           .sin()
                           .view({shape.batch, tokens, shape.channels});
  const at::Tensor map = x.view({shape.batch, shape.height, shape.width, shape.channels})
                             .permute({0, 3, 1, 2});  // channels last, as the model keeps it
  const nala::ops::Rotation rotation = nala::ops::rope_tables(
      nala::ops::rope_angle(shape.channels / shape.heads), shape.height, shape.width);
  const auto ours = [&] { return module->forward(x, shape.height, shape.width, rotation); };
  const auto theirs = [&] { return composition.forward(map, rotation); };
  const at::Tensor expected = theirs().permute({0, 2, 3, 1}).flatten(1, 2);
  const double error = ((ours() - expected).abs().max() / expected.abs().max()).item<double>();
  const auto parameters = module->named_parameters();
  const at::Tensor mixed = x * 0.5;
  const auto projections = [&](auto linear) {
    linear(x, parameters["qkvg.weight"], parameters["qkvg.bias"]);
    return linear(mixed, parameters["out_proj.weight"], parameters["out_proj.bias"]);
  };
  const auto our_linear = [&] {
    return projections(
        [](const auto& a, const auto& w, const auto& b) { return nala::ops::linear(a, w, b); });
  };
  const auto their_linear = [&] {
    return projections(
        [](const auto& a, const auto& w, const auto& b) { return at::linear(a, w, b); });
  };
  const at::Tensor packed =  // (B, N, 4, C)
      nala::ops::linear(x, parameters["qkvg.weight"], parameters["qkvg.bias"])
          .unflatten(-1, {4, -1});
  const auto heads_of = [&](int64_t part) {
    return packed.select(2, part).unflatten(-1, {shape.heads, -1}).transpose(1, 2);
  };
  const auto core = [&] {
    return nala::ops::linear_attention(heads_of(0), heads_of(1), heads_of(2), rotation.cos,
                                       rotation.sin);
  };
  const at::Tensor values = packed.select(2, 2)
                                .unflatten(1, {shape.height, shape.width})
                                .permute({0, 3, 1, 2});  // (B, C, H, W)
  const auto lepe = [&] {
    return nala::ops::depthwise(
        {.map = values, .weight = parameters["lepe.weight"], .bias = parameters["lepe.bias"]});
  };
  const at::Tensor y = core().transpose(1, 2).flatten(2);  // (B, N, C)
  const at::Tensor local = lepe().permute({0, 2, 3, 1}).flatten(1, 2);
  const auto epilogue = [&] {
    return nala::ops::attention_epilogue({.y = y,
                                          .lepe = local,
                                          .gate = packed.select(2, 3),
                                          .weight = parameters["ln.weight"],
                                          .bias = parameters["ln.bias"]});
  };
  std::vector<double> our_times, their_times, our_linears, their_linears, cores, lepes, epilogues;
  for (int round = 0; round < rounds; ++round) {
    our_times.push_back(milliseconds(ours));
    their_times.push_back(milliseconds(theirs));
    our_linears.push_back(milliseconds(our_linear));
    their_linears.push_back(milliseconds(their_linear));
    cores.push_back(milliseconds(core));
    lepes.push_back(milliseconds(lepe));
    epilogues.push_back(milliseconds(epilogue));
  }
  std::printf(
      "B %2ld  %ldx%ld  C %3ld  h %ld  module %8.2f ms  composition %8.2f ms  ratio %5.2f"
      "  difference %.1e of the largest\n",
      shape.batch, shape.height, shape.width, shape.channels, shape.heads, median(our_times),
      median(their_times), median(their_times) / median(our_times), error);
  const double channels = static_cast<double>(shape.channels);
  const double rows = static_cast<double>(shape.batch * tokens);
  const double gflop =
      rows * 1e-9 *
      (10 * channels * channels + 8 * channels * channels / static_cast<double>(shape.heads));
  static const double peak = nala::bench::peak_gflops(at::get_num_threads());
  std::printf(
      "      linear layers %.2f ms (against %.2f), attention %.2f, 5x5 convolution %.2f, epilogue "
      "%.2f",
      median(our_linears), median(their_linears), median(cores), median(lepes), median(epilogues));
  if (peak > 0) {
    std::printf("; all products %.2f GFLOP, %.2f ms at %.0f GFLOP/s: ratio at most %.2f", gflop,
                gflop / peak * 1e3, peak, median(their_times) * peak / gflop * 1e-3);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 2);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  const at::NoGradGuard no_grad;
  for (const Shape& shape :
       {Shape{16, 56, 56, 32, 1}, Shape{16, 28, 28, 128, 2}, Shape{4, 56, 56, 96, 1}}) {
    compare(shape, rounds);
  }
}
