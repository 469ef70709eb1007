// The attention operators and the rotary tables.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "comparison.h"
#include "kinds.h"
#include "ops/implementations.h"
#include "ops/linear_attention.h"
#include "ops/rope.h"
#include "ops/softmax_attention.h"

namespace nala::golden {
namespace {

struct Leaves {
  at::Tensor q, k, v;
};

Leaves leaves_of(const Tensors& tensors) {
  const auto leaf = [&](const char* name) {
    return tensors.at(name).detach().clone().requires_grad_();
  };
  return {leaf("q"), leaf("k"), leaf("v")};
}

void compare_operator(const Entry& entry,
                      const Tensors& tensors,
                      const Leaves& leaves,
                      const at::Tensor& y) {
  y.backward(tensors.at("dy"));
  Comparison comparison(entry, tensors);
  comparison.compare("y", y);
  comparison.compare("dq", leaves.q.grad());
  comparison.compare("dk", leaves.k.grad());
  comparison.compare("dv", leaves.v.grad());
  comparison.finish();
}

void check_softmax(const Entry& entry, const Tensors& tensors) {
  const double scale = entry.fields.at("params").value("scale", 0.0);
  EXPECT_DOUBLE_EQ(scale, 1 / std::sqrt(entry.fields.at("d").get<double>()));
  const Leaves leaves = leaves_of(tensors);
  compare_operator(
      entry, tensors, leaves,
      ops::softmax_attention(leaves.q, leaves.k, leaves.v, tensors.at("cos"), tensors.at("sin")));
}

ops::LinearAttentionOptions options_of(const Entry& entry) {
  const auto map = ops::feature_map_named(entry.fields.at("feature_map").get<std::string>());
  const nlohmann::json& params = entry.fields.at("params");
  ops::LinearAttentionOptions options{.map = map.value(),
                                      .norm_aware = params.value("norm_aware", true)};
  options.lambd = params.value("lambd", options.lambd);
  options.tau = params.value("tau", options.tau);
  options.alpha = params.value("alpha", options.alpha);
  options.eps = params.value("eps", options.eps);
  return options;
}

}  // namespace

void check_attention_op(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  if (entry.fields.at("feature_map") == "softmax") {
    check_softmax(entry, tensors);
    return;
  }
  ops::LinearAttentionOptions options = options_of(entry);
  for (const ops::Implementation& implementation : ops::implementations()) {
    SCOPED_TRACE(implementation.name);
    const Leaves leaves = leaves_of(tensors);
    if (!implementation.refuses({.q = leaves.q, .k = leaves.k, .v = leaves.v, .map = options.map})
             .empty()) {
      continue;
    }
    options.implementation = implementation.name;
    compare_operator(entry, tensors, leaves,
                     ops::linear_attention(leaves.q, leaves.k, leaves.v, tensors.at("cos"),
                                           tensors.at("sin"), options));
  }
}

void check_rope(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  Comparison comparison(entry, tensors);
  for (const auto& [key, angle] : with_prefix(tensors, "angle.")) {
    int height = 0;
    int width = 0;
    int channels = 0;
    ASSERT_EQ(std::sscanf(key.c_str(), "%dx%d_d%d", &height, &width, &channels), 3) << key;
    const at::Tensor computed = ops::rope_angle(channels);
    const ops::Rotation rotation = ops::rope_tables(computed, height, width);
    comparison.compare("angle." + key, computed);
    comparison.compare("cos." + key, rotation.cos);
    comparison.compare("sin." + key, rotation.sin);
  }
  comparison.finish();
}

}  // namespace nala::golden
