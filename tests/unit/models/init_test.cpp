#include "models/init.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "io/state_dict.h"
#include "small_model.h"

namespace nala::models {
namespace {

bool same(const Model& a, const Model& b) {
  const auto left = io::state_dict(a);
  const auto right = io::state_dict(b);
  bool equal = left.size() == right.size();
  for (size_t i = 0; equal && i < left.size(); ++i) {
    equal = left[i].first == right[i].first && at::equal(left[i].second, right[i].second);
  }
  return equal;
}

TEST(Initialise, IsAFunctionOfTheSeedAndNotOfTheGlobalGenerator) {
  torch::manual_seed(1);
  const at::Tensor before = torch::rand({4});
  torch::manual_seed(1);
  const auto first = small_model(7);
  EXPECT_TRUE(at::equal(torch::rand({4}), before)) << "building drew from the global generator";
  EXPECT_TRUE(same(*first, *small_model(7)));
  EXPECT_FALSE(same(*first, *small_model(8)));
}

TEST(Initialise, TensorsOfOneShapeDiffer) {
  const auto parameters = small_model()->named_parameters();
  EXPECT_FALSE(at::equal(parameters["layers.2.blocks.0.attn.qkvg.weight"],
                         parameters["layers.2.blocks.1.attn.qkvg.weight"]));
}

TEST(Initialise, FollowsTheDistributions) {
  const auto model = build_model({.num_classes = 1000}, Task::classification, 3);
  const auto parameters = model->named_parameters();
  const at::Tensor head = parameters["head.weight"];
  EXPECT_NEAR(head.std().item<double>(), 0.02, 2e-4);
  EXPECT_NEAR(head.mean().item<double>(), 0, 1e-4);
  EXPECT_NEAR(head.abs().max().item<double>(), 0.1, 0.02);  // 5 sigma of 1e6 normal numbers
  const at::Tensor linear = parameters["proj.weight"];
  const double bound = 1 / std::sqrt(384.0);
  EXPECT_LE(linear.abs().max().item<double>(), bound);
  EXPECT_NEAR(linear.abs().max().item<double>(), bound, 1e-5);
  EXPECT_NEAR(linear.std().item<double>(), bound / std::sqrt(3.0), 1e-4);
  EXPECT_LE(parameters["proj.bias"].abs().max().item<double>(), bound);
  EXPECT_GT(parameters["proj.bias"].std().item<double>(), 0);
  EXPECT_EQ(parameters["head.bias"].abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(parameters["layers.0.blocks.0.norm1.norm.weight"], torch::ones({32})));
  EXPECT_TRUE(at::equal(parameters["norm.weight"], torch::ones({1024})));
}

}  // namespace
}  // namespace nala::models
