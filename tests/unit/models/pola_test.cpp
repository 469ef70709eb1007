// Polarity-aware attention against the numbers of tests/python/test_pola.py.

#include "models/pola.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>

#include "io/safetensors.h"
#include "models/attention.h"
#include "models/init.h"

namespace nala::models {
namespace {

std::map<std::string, at::Tensor> pola_numbers() {
  const auto entries = io::read_safetensors(NALA_TEST_FOLDER "/pola.safetensors").tensors;
  return {entries.begin(), entries.end()};
}

void expect_near(const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-5 * scale) << what;
}

class PolaAgainstPython : public testing::TestWithParam<std::string> {};

TEST_P(PolaAgainstPython, OutputsAndGradients) {
  const auto numbers = pola_numbers();
  const auto leaf = [&](const std::string& name) {
    return numbers.at("inputs/" + name).clone().requires_grad_();
  };
  const at::Tensor q = leaf("q");
  const at::Tensor k = leaf("k");
  const at::Tensor v = leaf("v");
  Pola module(q.size(1), q.size(3), "auto");
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : module->named_parameters()) {
      parameter.value().copy_(numbers.at("inputs/" + parameter.key()));
    }
  }
  ops::Rotation rotation;
  if (GetParam() == "rotated") {
    rotation = {.cos = numbers.at("rotated/cos"), .sin = numbers.at("rotated/sin")};
  }
  const at::Tensor y = module(q, k, v, rotation);
  expect_near(y, numbers.at(GetParam() + "/y"), "y");
  (y * numbers.at("slope")).sum().backward();
  const std::string gradients = GetParam() + "/gradients/";
  expect_near(q.grad(), numbers.at(gradients + "q"), "dq");
  expect_near(k.grad(), numbers.at(gradients + "k"), "dk");
  expect_near(v.grad(), numbers.at(gradients + "v"), "dv");
  for (const auto& parameter : module->named_parameters()) {
    expect_near(parameter.value().grad(), numbers.at(gradients + parameter.key()), parameter.key());
  }
}

INSTANTIATE_TEST_SUITE_P(Rotation, PolaAgainstPython, testing::Values("plain", "rotated"));

TEST(Pola, IsPartOfLinearAttentionsAlone) {
  AttentionOptions options{.dim = 16, .heads = 2};
  options.config.feature_map = AttentionMap::pola;
  Attention linear(options);
  initialise(*linear, 0);
  EXPECT_TRUE(linear->named_parameters().contains("pola.power"));
  const at::Tensor tokens = torch::randn({1, 6, 16});  // (B, N, C)
  const at::Tensor y = linear(tokens, 2, 3, ops::Rotation{});
  EXPECT_EQ(y.sizes(), tokens.sizes());
  EXPECT_TRUE(y.isfinite().all().item<bool>());
  options.kind = BlockKind::softmax;
  EXPECT_FALSE(Attention(options)->named_parameters().contains("pola.power"));
}

}  // namespace
}  // namespace nala::models
