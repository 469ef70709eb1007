#include "passes.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace nala::golden {
namespace {

template <class E>
E enum_of(const std::string& name) {
  const auto names = names_of(E{});
  const auto found = std::ranges::find(names, name);
  EXPECT_NE(found, names.end()) << "unknown name " << name;
  return static_cast<E>(found - names.begin());
}

std::vector<std::string> stage_kinds(const nlohmann::json& flags) {
  std::vector<std::string> kinds;
  for (const auto& stage : flags) {
    std::string letters;
    for (const auto& letter : stage) {
      letters += letter.get<std::string>();
    }
    kinds.push_back(letters);
  }
  return kinds;
}

}  // namespace

models::AttentionConfig attention_config(const nlohmann::json& fields) {
  models::AttentionConfig config;
  config.feature_map = enum_of<models::AttentionMap>(fields.value("feature_map", "relu_split"));
  const nlohmann::json params = fields.value("params", nlohmann::json::object());
  config.lambd = params.value("lambd", config.lambd);
  config.tau = params.value("tau", config.tau);
  config.alpha = params.value("alpha", config.alpha);
  return config;
}

std::shared_ptr<models::Model> model_of(const nlohmann::json& config) {
  // Member by member: GCC 12 destroys members twice when a later designated initialiser throws.
  models::ModelConfig model;
  model.name = models::ModelName::custom;
  model.embed_dims = config.at("embed_dims");
  model.depths = config.at("depths");
  model.heads = config.at("heads");
  model.mlp_ratio = config.at("mlp_ratio").get<double>();
  model.stage_kinds = stage_kinds(config.at("flags"));
  model.projection = config.at("projection").get<int64_t>();
  model.drop_path = config.at("drop_path").get<double>();
  model.num_classes = config.at("num_classes");
  model.in_channels = config.value("in_channels", int64_t{3});
  model.attention = attention_config(config);
  if (!config.at("layerscale").get<bool>()) {
    model.layer_scale.emplace();
  }
  return models::build_model(model, models::Task::classification, 0);
}

models::ModelConfig variant_config(const std::string& variant) {
  std::string name = "nalaformer_" + variant;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return {.name = enum_of<models::ModelName>(name), .num_classes = 1000};
}

at::Tensor leaf_map(const at::Tensor& x) {
  return x.detach().clone(at::MemoryFormat::ChannelsLast).requires_grad_();
}

void compare_parameters_and_buffers(Comparison& comparison, const torch::nn::Module& module) {
  for (const auto& item : module.named_parameters()) {
    comparison.compare("grad." + item.key(), item.value().grad());
  }
  for (const auto& item : module.named_buffers()) {
    if (comparison.has("after." + item.key())) {
      comparison.compare("after." + item.key(), item.value());
    }
  }
}

}  // namespace nala::golden
