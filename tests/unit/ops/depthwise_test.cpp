#include "ops/depthwise.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <array>
#include <cmath>
#include <optional>
#include <ostream>

namespace nala::ops {
namespace {

struct DepthwiseCase {
  int64_t channels, height, width, kernel;
  bool residual;
  bool gelu = false;
};

void PrintTo(const DepthwiseCase& c, std::ostream* out) {
  *out << c.channels << " channels, " << c.height << " x " << c.width << ", kernel " << c.kernel
       << (c.residual ? ", residual" : "") << (c.gelu ? ", gelu" : "");
}

// The result and the gradients of map, weight and bias for a result's gradient `dy`.
std::array<at::Tensor, 4> depthwise_and_gradients(const Depthwise& given,
                                                  const at::Tensor& dy,
                                                  bool by_aten) {
  Depthwise call = given;
  call.map = given.map.detach().requires_grad_();
  call.weight = given.weight.detach().requires_grad_();
  call.bias = given.bias.detach().requires_grad_();
  at::Tensor y;
  if (by_aten) {
    const at::Tensor x = call.gelu ? at::gelu(call.map) : call.map;
    y = at::conv2d(x, call.weight, call.bias, 1, call.weight.size(-1) / 2, 1, call.map.size(1));
    y = call.residual ? y + x : y;
  } else {
    y = depthwise(call);
  }
  y.backward(dy);
  return {y.detach(), call.map.grad(), call.weight.grad(), call.bias.grad()};
}

void expect_depthwise_close(const at::Tensor& actual, const at::Tensor& expected, double scale) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_LE((actual.to(at::kDouble) - expected).abs().max().item<double>(), 2e-7 * scale);
}

void expect_depthwise_as_in_float64(const Depthwise& call, const at::Tensor& dy) {
  const auto actual = depthwise_and_gradients(call, dy, false);
  const auto expected =
      depthwise_and_gradients({call.map.to(at::kDouble), call.weight.to(at::kDouble),
                               call.bias.to(at::kDouble), call.residual, call.gelu},
                              dy.to(at::kDouble), true);
  const auto taps = static_cast<double>(call.weight[0].numel());
  const auto pixels = static_cast<double>(dy.numel() / dy.size(1));
  // GELU and its slope are off by 1e-6.
  const double loss = call.gelu ? 20 : 4;
  expect_depthwise_close(actual[0], expected[0], loss * taps);
  expect_depthwise_close(actual[1], expected[1], loss * taps);
  expect_depthwise_close(actual[2], expected[2], loss * pixels);
  expect_depthwise_close(actual[3], expected[3], 4 * pixels);
}

Depthwise depthwise_of(const DepthwiseCase& c, const at::Tensor& map) {
  return {map, torch::randn({c.channels, 1, c.kernel, c.kernel}), torch::randn({c.channels}),
          c.residual, c.gelu};
}

class DepthwiseCases : public testing::TestWithParam<DepthwiseCase> {};

TEST_P(DepthwiseCases, IsTheConvolutionInFloat64) {
  torch::manual_seed(1);
  const DepthwiseCase c = GetParam();
  const at::Tensor map = torch::randn({2, c.channels, c.height, c.width});
  const at::Tensor dy = torch::randn({2, c.channels, c.height, c.width});
  expect_depthwise_as_in_float64(depthwise_of(c, map), dy);
  expect_depthwise_as_in_float64(depthwise_of(c, map.contiguous(at::MemoryFormat::ChannelsLast)),
                                 dy.contiguous(at::MemoryFormat::ChannelsLast));
}

// As the attention hands over v: a slice of the packed projection.
TEST_P(DepthwiseCases, ReadsASliceInPlace) {
  torch::manual_seed(2);
  const DepthwiseCase c = GetParam();
  const at::Tensor packed = torch::randn({2, c.height, c.width, 4, c.channels});
  const at::Tensor map = packed.select(3, 2).permute({0, 3, 1, 2});  // (B, C, H, W)
  expect_depthwise_as_in_float64(depthwise_of(c, map),
                                 torch::randn({2, c.channels, c.height, c.width}));
}

INSTANTIATE_TEST_SUITE_P(Shapes,
                         DepthwiseCases,
                         testing::Values(DepthwiseCase{1, 1, 1, 3, false},
                                         DepthwiseCase{5, 1, 7, 3, true},
                                         DepthwiseCase{16, 9, 6, 3, true},
                                         DepthwiseCase{40, 17, 20, 3, false},
                                         DepthwiseCase{33, 2, 2, 5, true},
                                         DepthwiseCase{16, 1, 3, 5, false},
                                         DepthwiseCase{24, 19, 11, 5, false},
                                         DepthwiseCase{1, 2, 1, 3, true, true},
                                         DepthwiseCase{40, 17, 20, 3, true, true},
                                         DepthwiseCase{19, 8, 5, 3, false, true},
                                         DepthwiseCase{24, 19, 11, 5, true, true}));

// Rounded where a map ends, not between: as float64 computes it from the rounded map.
TEST_P(DepthwiseCases, Bfloat16MapsAreRoundedOnce) {
  torch::manual_seed(5);
  const DepthwiseCase c = GetParam();
  const auto bfloat16 = at::kBFloat16;
  const at::Tensor map = torch::randn({2, c.channels, c.height, c.width}).to(bfloat16);
  const at::Tensor dy = torch::randn({2, c.channels, c.height, c.width}).to(bfloat16);
  const Depthwise call = depthwise_of(c, map);
  const auto actual = depthwise_and_gradients(call, dy, false);
  const auto expected =
      depthwise_and_gradients({map.to(at::kDouble), call.weight.to(at::kDouble),
                               call.bias.to(at::kDouble), call.residual, call.gelu},
                              dy.to(at::kDouble), true);
  EXPECT_EQ(actual[0].scalar_type(), bfloat16);
  EXPECT_EQ(actual[1].scalar_type(), bfloat16);
  EXPECT_EQ(actual[2].scalar_type(), at::kFloat);
  for (size_t i = 0; i < actual.size(); ++i) {
    const double rounding = i < 2 ? 1.0 / 256 : 1e-5;
    EXPECT_TRUE(at::allclose(actual[i].to(at::kDouble), expected[i], rounding, 2e-4)) << i;
  }
}

TEST(Depthwise, GeluIsFlatFarFromZeroAndNansStay) {
  const Depthwise call{
      torch::tensor({-1e30F, -40.0F, -13.5F, -6.0F, 0.0F, 6.0F, 40.0F, 1e30F, std::nanf("")})
          .view({1, 1, 1, 9}),
      torch::zeros({1, 1, 3, 3}), torch::zeros({1}), true, true};
  const auto actual = depthwise_and_gradients(call, torch::ones({1, 1, 1, 9}), false);
  const at::Tensor slope = actual[1].flatten();
  const at::Tensor expected = torch::tensor({0.0F, 0.0F, 0.0F, 0.0F, 0.5F, 1.0F, 1.0F, 1.0F});
  EXPECT_LE((slope.narrow(0, 0, 8) - expected).abs().max().item<float>(), 1e-6F);
  EXPECT_TRUE(std::isnan(slope[8].item<float>()));
  EXPECT_TRUE(std::isnan(actual[0].flatten()[8].item<float>()));
}

TEST(Depthwise, TheNumberOfThreadsChangesNothing) {
  torch::manual_seed(3);
  const DepthwiseCase c{24, 37, 13, 3, true};
  const Depthwise call = depthwise_of(c, torch::randn({3, 24, 37, 13}));
  const at::Tensor dy = torch::randn({3, 24, 37, 13});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = depthwise_and_gradients(call, dy, false);
  at::set_num_threads(3);
  const auto together = depthwise_and_gradients(call, dy, false);
  at::set_num_threads(threads);
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(at::equal(alone[i], together[i])) << i;
  }
}

TEST(Depthwise, OtherDtypesGoThroughAten) {
  torch::manual_seed(4);
  const DepthwiseCase c{6, 5, 4, 3, true};
  Depthwise call = depthwise_of(c, torch::randn({1, 6, 5, 4}));
  call.map = call.map.to(at::kDouble).requires_grad_();
  call.weight = call.weight.to(at::kDouble);
  call.bias = call.bias.to(at::kDouble);
  const at::Tensor y = depthwise(call);
  EXPECT_EQ(y.scalar_type(), at::kDouble);
  const auto first = torch::autograd::grad({y.square().sum()}, {call.map}, {}, true, true);
  EXPECT_NO_THROW(torch::autograd::grad({first[0].sum()}, {call.map}));
}

TEST(Depthwise, RefusesSecondDerivatives) {
  const DepthwiseCase c{4, 3, 3, 3, false};
  Depthwise call = depthwise_of(c, torch::randn({1, 4, 3, 3}));
  call.map.requires_grad_();
  const auto first =
      torch::autograd::grad({depthwise(call).square().sum()}, {call.map}, {}, true, true);
  EXPECT_THROW(torch::autograd::grad({first[0].sum()}, {call.map}), c10::Error);
}

}  // namespace
}  // namespace nala::ops
