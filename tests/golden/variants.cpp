// The sizes of the zoo, with weights filled by a formula.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

#include "comparison.h"
#include "io/state_dict.h"
#include "kinds.h"
#include "models/describe.h"
#include "models/stage.h"
#include "models/zoo.h"
#include "passes.h"

namespace nala::golden {
namespace {

// t in [-1, 1), as the entries' `fill` states it.
class Filler {
 public:
  Filler(int64_t seed, const std::string& name) {
    for (const char c : std::to_string(seed) + ":" + name) {
      start_ = (start_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    }
  }
  double operator()() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = start_ + state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z = z ^ (z >> 31);
    return 2 * (static_cast<double>(z >> 11) * 0x1.0p-53) - 1;
  }

 private:
  uint64_t start_ = 14695981039346656037ULL;
  uint64_t state_ = 0;
};

struct Affine {
  double offset = 0;
  double factor = 0;
};

Affine rule_of(const std::string& name, const at::Tensor& x) {
  const auto is = [&](const char* ending) { return name.ends_with(ending); };
  if (is(".running_mean") || is(".bias")) {
    return {0, 0.1};
  }
  if (is(".gamma_1") || is(".gamma_2")) {
    return {0.5, 0.2};
  }
  if (is(".running_var") || x.dim() == 1) {
    return {1, 0.2};
  }
  if (is(".cpe1.weight") || is(".cpe2.weight")) {
    return {0, 0.2 * std::sqrt(3.0 / 9.0)};
  }
  const double fan_in = static_cast<double>(x.numel() / x.size(0));
  return {0, std::sqrt(3 / fan_in)};
}

void fill_tensor(at::Tensor& x, Filler filler, const Affine& rule) {
  float* values = x.mutable_data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    values[i] = static_cast<float>(rule.offset + rule.factor * filler());
  }
}

void fill_model(models::Model& model, int64_t seed) {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : io::state_dict(model)) {
    at::Tensor target = tensor;
    if (name.ends_with(".num_batches_tracked")) {
      target.zero_();
    } else if (!name.ends_with(".RoPE.angle")) {
      fill_tensor(target, Filler(seed, name), rule_of(name, target));
    }
  }
}

void expect_close(const nlohmann::json& expected, const at::Tensor& computed) {
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(computed[static_cast<int64_t>(i)].item<double>(), expected[i].get<double>(), 1e-7);
  }
}

void check_fill(const Entry& entry, const models::Model& model, const at::Tensor& input) {
  expect_close(entry.fields.at("check_input_first4"), input.flatten());
  const auto state = io::state_dict(model);
  const std::map<std::string, at::Tensor> tensors(state.begin(), state.end());
  for (const auto& [name, first] : entry.fields.at("check_weights_first4").items()) {
    expect_close(first, tensors.at(name).flatten());
  }
  for (const auto& [name, sum] : entry.fields.at("check_weights_sum").items()) {
    EXPECT_NEAR(tensors.at(name).sum(at::kDouble).item<double>(), sum.get<double>(), 1e-5) << name;
  }
}

struct Filled {
  std::shared_ptr<models::Model> model;
  at::Tensor input;  // (B, 3, H, W)
};

Filled fill(const Entry& entry) {
  const nlohmann::json& fields = entry.fields;
  const int64_t seed = fields.at("fill_seed");
  Filled filled;
  filled.model =
      models::build_model(variant_config(fields.at("variant")), models::Task::classification, 0);
  fill_model(*filled.model, seed);
  filled.model->eval();
  filled.input = torch::empty({fields.at("B").get<int64_t>(), 3, fields.at("H").get<int64_t>(),
                               fields.at("W").get<int64_t>()});
  fill_tensor(filled.input, Filler(seed, "input"), {0, 2});
  return filled;
}

void compare_samples(Comparison& comparison, const std::string& name, const at::Tensor& map) {
  const at::Tensor flat = map.contiguous().flatten();
  const at::Tensor index = at::arange(64, at::kLong) * flat.numel() / 64;
  comparison.compare(name + ".sample64", flat.index_select(0, index.floor().to(at::kLong)));
  const at::Tensor wide = flat.to(at::kDouble);
  comparison.compare(name + ".mean_std_maxabs",
                     at::stack({wide.mean(), wide.std(), wide.abs().max()}));
}

// Walks stem and stages by hand, comparing what the fixture has of each.
at::Tensor compare_stages(Comparison& comparison, models::Model& model, const at::Tensor& input) {
  const auto modules = model.named_modules();
  at::Tensor x = modules["patch_embed"]->as<models::PatchEmbedImpl>()->forward(input);
  compare_samples(comparison, "stem", x);
  for (int i = 0; i < models::kStages; ++i) {
    const std::string name = "layers." + std::to_string(i);
    auto& stage = *modules[name]->as<models::StageImpl>();
    if (i == 0) {
      const auto rotation =
          modules[name + ".RoPE"]->as<models::RopeImpl>()->tables(x.size(2), x.size(3));
      auto& block = *modules[name + ".blocks.0"]->as<models::BlockImpl>();
      compare_samples(comparison, name + ".blocks.0", block.forward(x, rotation, {}));
    }
    x = stage.downsample(stage.forward(x, {}));
    compare_samples(comparison, name, x);
  }
  return x;
}

int64_t buffer_elements(const models::Model& model) {
  int64_t count = 0;
  for (const at::Tensor& buffer : model.buffers()) {
    count += buffer.numel();
  }
  return count;
}

void check_names(const nlohmann::ordered_json& expected, const models::Model& model) {
  const auto state = io::state_dict(model);
  ASSERT_EQ(state.size(), expected.size());
  size_t i = 0;
  for (const auto& [name, what] : expected.items()) {
    const auto& [own_name, tensor] = state[i++];
    EXPECT_EQ(own_name, name);
    EXPECT_EQ(tensor.sizes().vec(), what[1].get<std::vector<int64_t>>()) << name;
    EXPECT_EQ(tensor.scalar_type(), what[0] == "int64" ? at::kLong : at::kFloat) << name;
  }
}

void check_counts(const nlohmann::json& expected, const models::ResolvedModel& resolved) {
  const models::Description whole =
      models::describe(resolved, models::Task::classification, 224, 224);
  EXPECT_EQ(whole.parameters(), expected.at("n_params").get<int64_t>());
  EXPECT_EQ(whole.multiply_adds(), expected.at("flops_224").get<int64_t>());
  EXPECT_EQ(nlohmann::json(whole.multiply_adds_by_operation()),
            expected.at("flops_224_by_operator"));
  for (const char* key : {"params_by_top_module", "params_by_stage"}) {
    for (const auto& [name, count] : expected.at(key).items()) {
      EXPECT_EQ(whole.below(name).parameters(), count.get<int64_t>()) << name;
    }
  }
  for (const auto& [name, count] : expected.at("flops_224_by_module").items()) {
    EXPECT_EQ(whole.below(name).multiply_adds(), count.get<int64_t>()) << name;
  }
}

}  // namespace

void check_variant(const Entry& entry) {
  const auto expected = nlohmann::ordered_json::parse(std::ifstream(entry.path()));
  const nlohmann::json unordered = json_of(entry);
  const models::ModelConfig config = variant_config(expected.at("variant"));
  const models::ResolvedModel resolved = models::resolve(config);
  const auto model = models::build_model(config, models::Task::classification, 0);
  check_names(expected.at("state_dict"), *model);
  check_counts(unordered, resolved);
  EXPECT_EQ(buffer_elements(*model), expected.at("n_buffers_elements").get<int64_t>());
  const auto rates = resolved.drop_path_rates();
  ASSERT_EQ(rates.size(), expected.at("drop_path").size());
  for (size_t i = 0; i < rates.size(); ++i) {
    // Stored with nine decimals.
    EXPECT_NEAR(rates[i], expected.at("drop_path")[i].get<double>(), 5.1e-10) << "block " << i;
  }
  const models::ZooRow* row = models::find_in_zoo(config.name);
  EXPECT_EQ(row->published_parameters, expected.at("published").at("params").get<double>());
  EXPECT_EQ(row->published_multiply_adds, expected.at("published").at("flops").get<double>());
  const auto modules = model->named_parameters();
  for (int i = 0; i < models::kStages; ++i) {
    for (const char* gamma : {".blocks.0.gamma_1", ".blocks.0.gamma_2"}) {
      const at::Tensor value = modules["layers." + std::to_string(i) + gamma];
      const auto initial = static_cast<float>(expected.at("gamma_init")[i].get<double>());
      EXPECT_TRUE(at::equal(value, at::full_like(value, initial)));
    }
  }
}

void check_variant_logits(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  const Filled filled = fill(entry);
  check_fill(entry, *filled.model, filled.input);
  const at::NoGradGuard no_grad;
  Comparison comparison(entry, tensors);
  compare_stages(comparison, *filled.model, filled.input);
  comparison.compare("logits", filled.model->forward(filled.input, {}).main);
  comparison.finish();
}

void check_variant_grads(const Entry& entry) {
  const Tensors tensors = tensors_of(entry);
  const Filled filled = fill(entry);
  const at::Tensor loss = at::cross_entropy_loss(filled.model->forward(filled.input, {}).main,
                                                 tensors.at("input.target"));
  loss.backward();
  std::vector<at::Tensor> norms;
  std::vector<at::Tensor> first;
  const auto parameters = filled.model->named_parameters();
  for (const auto& name : entry.fields.at("param_order")) {
    const at::Tensor gradient = parameters[name.get<std::string>()].grad();
    norms.push_back(gradient.to(at::kDouble).norm());
    first.push_back(gradient.contiguous().flatten().narrow(0, 0, 4));
  }
  Comparison comparison(entry, tensors);
  comparison.compare("loss", loss.view({1}));
  comparison.compare("grad_l2", at::stack(norms));
  comparison.compare("grad_first4", at::stack(first));
  comparison.finish();
}

}  // namespace nala::golden
