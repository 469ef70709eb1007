// Whole models with stored weights, and checkpoints.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "comparison.h"
#include "io/authors_checkpoint.h"
#include "io/safetensors.h"
#include "io/state_dict.h"
#include "kinds.h"
#include "passes.h"

namespace nala::golden {
namespace {

std::shared_ptr<models::Model> load(const nlohmann::json& config,
                                    const std::filesystem::path& weights) {
  auto model = model_of(config);
  io::load_state_dict_strictly(*model, io::read_safetensors(weights).tensors, weights.string());
  return model;
}

// The norm of every parameter's gradient, in the entry's order; where the true gradient is zero,
// that of the fixture: what is computed there is rounding noise.
at::Tensor gradient_norms(const Entry& entry,
                          const torch::nn::Module& model,
                          const at::Tensor& expected) {
  const auto order = entry.fields.at("param_order").get<std::vector<std::string>>();
  const auto zero = entry.fields.value("zero_gradient_params", std::vector<std::string>());
  const auto parameters = model.named_parameters();
  EXPECT_EQ(parameters.size(), order.size());
  at::Tensor norms = expected.clone();
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(parameters[i].key(), order[i]);
    if (std::ranges::find(zero, order[i]) == zero.end()) {
      norms[static_cast<int64_t>(i)] = parameters[order[i]].grad().to(at::kDouble).norm();
    }
  }
  return norms;
}

void compare_stored_gradients(Comparison& comparison, const torch::nn::Module& model) {
  for (const auto& item : model.named_parameters()) {
    if (comparison.has("grad." + item.key())) {
      comparison.compare("grad." + item.key(), item.value().grad());
    }
  }
  for (const auto& item : model.named_buffers()) {
    if (comparison.has("after." + item.key())) {
      comparison.compare("after." + item.key(), item.value());
    }
  }
}

void expect_equal(const io::NamedTensors& read, const Entry& entry, const std::string& file) {
  const auto stored = io::read_safetensors(entry.folder / file).tensors;
  std::map<std::string, at::Tensor> expected(stored.begin(), stored.end());
  EXPECT_EQ(read.size(), expected.size()) << file;
  for (const auto& [name, tensor] : read) {
    const auto found = expected.find(name);
    ASSERT_NE(found, expected.end()) << name;
    EXPECT_EQ(tensor.scalar_type(), found->second.scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, found->second)) << name;
  }
}

std::string argument_text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

void check_model_weights(const Entry& entry) {
  const auto model = load(entry.fields.at("config"), entry.path());
  int64_t count = 0;
  for (const at::Tensor& parameter : model->parameters()) {
    count += parameter.numel();
  }
  EXPECT_EQ(count, entry.fields.at("n_params").get<int64_t>());
}

void check_model(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  const auto model =
      load(entry.fields.at("config"), entry.folder / entry.fields.at("weights").get<std::string>());
  model->train(entry.is_training());
  const at::Tensor x = leaf_map(tensors.at("input.x"));
  const at::Tensor logits = model->forward(x, {}).main;
  const at::Tensor loss = at::cross_entropy_loss(logits, tensors.at("input.target"));
  loss.backward();
  Comparison comparison(entry, tensors);
  comparison.compare("logits", logits);
  comparison.compare("loss", loss.view(tensors.at("loss").sizes()));
  compare_stored_gradients(comparison, *model);
  if (comparison.has("grad_input.x")) {
    comparison.compare("grad_input.x", x.grad());
  }
  if (comparison.has("grad_l2")) {
    comparison.compare("grad_l2", gradient_norms(entry, *model, tensors.at("grad_l2")));
  }
  comparison.finish();
}

void check_checkpoint_pth(const Entry& entry) {
  const io::AuthorsCheckpoint checkpoint = io::read_authors_checkpoint(entry.path());
  const std::string stem = entry.path().stem().string();
  expect_equal(checkpoint.model, entry, stem + "_model.safetensors");
  expect_equal(checkpoint.model_ema, entry, stem + "_model_ema.safetensors");
  EXPECT_EQ(checkpoint.epoch, entry.fields.at("epoch").get<int64_t>());
  EXPECT_EQ(checkpoint.max_accuracy, entry.fields.at("max_accuracy").get<double>());
  EXPECT_EQ(checkpoint.arguments.size(), entry.fields.at("args").size());
  for (const auto& [name, value] : entry.fields.at("args").items()) {
    const auto found = checkpoint.arguments.find(name);
    ASSERT_NE(found, checkpoint.arguments.end()) << name;
    if (value.is_number_float()) {
      EXPECT_DOUBLE_EQ(std::stod(found->second), value.get<double>()) << name;
    } else {
      EXPECT_EQ(found->second, argument_text(value)) << name;
    }
  }
}

void check_checkpoint_safetensors(const Entry& entry) {
  load(entry.fields.at("config"), entry.path());
}

void check_checkpoint_logits(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  Comparison comparison(entry, tensors);
  const std::string ending = "_logits.safetensors";
  ASSERT_TRUE(entry.file.ends_with(ending));
  const std::string stem = entry.file.substr(0, entry.file.size() - ending.size());
  const io::AuthorsCheckpoint checkpoint =
      io::read_authors_checkpoint(entry.folder / (stem + ".pth"));
  const at::NoGradGuard no_grad;
  for (const auto& [name, weights] :
       {std::pair{"model", &checkpoint.model}, std::pair{"model_ema", &checkpoint.model_ema}}) {
    const auto model = model_of(entry.fields.at("config"));
    io::load_state_dict_strictly(*model, *weights, entry.file);
    model->eval();
    comparison.compare(std::string("logits_") + name,
                       model->forward(leaf_map(tensors.at("input.x")), {}).main);
  }
  comparison.finish();
}

}  // namespace nala::golden
